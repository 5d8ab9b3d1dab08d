/* What the frontend makes of a file: parameters, data, and the list of things to do, each with its
 * functions as graph IR (derivatives still as operators). Owned by the Model's arena; the Fns by the
 * Model. The driver consumes it; nothing here runs anything. */
#ifndef HNNC_FRONTEND_MODEL_H
#define HNNC_FRONTEND_MODEL_H

#include "ir/field/field.h"
#include "ir/ir.h"
#include "ir/core/pattern.h"
#include "passes/passes.h"

/* ---- parameters ------------------------------------------------------------------------------------ */

typedef enum { INIT_VALUE, INIT_NORMAL, INIT_UNIFORM, INIT_GLOROT, INIT_ORTHOGONAL } InitKind;

typedef struct Param {
  const char *path; /* "energy/dense.0/W"; of a stack a pattern, "committee/mlp.0:5/dense.0/W" */
  Type type;        /* shared */
  uint32_t stacked; /* so many first axes count the turns of comprehensions, each with a parameter of its own */
  InitKind init;
  double a, b;          /* normal(mean a, sd b), uniform(a, b), value a when `values` is NULL */
  const double *values; /* INIT_VALUE with a tensor */
  double decay;         /* > 0: no parameter but the moving average of a mean over the batch (`batch_mean`), which
                                no training moves by its gradient; starts at zeros */
  Span at;
} Param;

/* Of a stack each turn has its path, its start and its place in a checkpoint; what is no stack is one turn. */
int64_t param_turns(const Param *p);
Type param_turn_type(const Param *p);
char *param_turn_path(const Param *p, int64_t turn); /* the caller's, malloc'ed */

/* ---- data ---------------------------------------------------------------------------------------------- */

typedef struct DataField {
  const char *name;
  Type type;
} DataField; /* of one sample; lane unset */

typedef enum { DATA_PROGRAM, DATA_READ, DATA_FIRST, DATA_LAST, DATA_SHUFFLE, DATA_GIVEN } DataKind; /* given: by the caller */
typedef enum { YIELD_ONE, YIELD_EACH, YIELD_WINDOWS, YIELD_SHUFFLED } YieldKind;

typedef struct ReadColumn {
  const char *name;
  int column;
  const char *header;
  bool mask; /* 1 where the column has a number, 0 where it has a gap */
} ReadColumn;
/* column >= 0, or -1 and the header's name */

typedef struct Data Data;
struct Data {
  const char *name;
  DataKind kind;
  bool trained; /* it follows from parameters: made where its DO_DATA stands; not kept */
  DataField *field;
  uint32_t nfield;
  Span at;
  /* DATA_PROGRAM: one lane is one draw. Inputs: parameters (IN_PARAM), the fields of `on` (IN_FIELD, index = its number),
   * the number of the draw (IN_INDEX), outputs: the yielded fields, always f64. YIELD_EACH: outputs have the sample axis first;
   * YIELD_WINDOWS: likewise, samples are the runs of `window` rows, field types [window, ...]; YIELD_SHUFFLED:
   * of the same types, the rows cut into samples in each of `orders` random orders, what is left over dropped. */
  Fn *program;
  YieldKind yield;
  uint32_t window, orders;
  const void *source; /* which program: the same for its draws with other counts and seeds; not kept */
  int64_t count;      /* draws; with `on`, one for each of its samples */
  uint64_t seed;
  Data *on;
  /* DATA_READ: */
  const char *path; /* resolved */
  ReadColumn *column;
  bool gaps;            /* may be NaN: then a field of the same column, its mask, is there too */
  uint32_t ncolumn;     /* one per field; for .npz the names of arrays */
  int64_t rows;         /* samples of the file as it was looked into, -1 unknown; not kept */
  uint32_t read_window; /* 0: none; fields are then [window] */
  int group;            /* index in `column` of the grouping column, or -1: windows stay inside a group */
  /* DATA_FIRST, DATA_LAST, DATA_SHUFFLE: */
  Data *base;
  double share; /* first/last: share in (0, 1], or a count when >= 1 and integer */
};

/* ---- things to do, in the order of the file -------------------------------------------------------------- */

/* Of the values of a report: one for each sample. From STAT_R_HAT on samples are chains, and the first axis of a value their draws. */
typedef enum {
  STAT_MEAN,
  STAT_SD,
  STAT_MIN,
  STAT_MAX,
  STAT_COUNT,
  STAT_SUM,
  STAT_QUANTILE,
  STAT_LOGMEANEXP,
  STAT_ESS,
  STAT_ESS_LOG,
  STAT_R_HAT,
  STAT_R_HAT_RANKS,
  STAT_ESS_CHAINS
} Stat;
typedef struct ReportStat {
  Stat stat;
  double q; /* quantile */
} ReportStat;
/* What every report says of itself. */
static inline bool stat_plain(Stat s) { return s <= STAT_COUNT; }
static inline bool stat_of_chains(Stat s) { return s >= STAT_R_HAT; }
static inline bool stat_of_logs(Stat s) { return s == STAT_LOGMEANEXP || s == STAT_ESS_LOG; }
typedef struct Report Report;
typedef struct ReportUse {
  Report *report;
  ReportStat stat;
} ReportUse;

struct Report {
  const char *name;
  Fn *fn;     /* params, fields, statistics of reports above (IN_SCALAR, at stat_at) -> one tensor per sample (or shared without
                 data) */
  Data *data; /* NULL: a constant of the trained model */
  ReportUse *use;
  uint32_t nuse;
  ReportStat *asked; /* what later items want of it beside what is plain, each once */
  uint32_t nasked;
};
Type report_type(const Report *r);    /* of a sample; its function is there */
Type stat_type(const ReportUse *use); /* of the report, for each element; `count` is one number, `r_hat` has no axis of draws */
/* Where the elements of use[k] begin in the row of all the elements of use[0], use[1], ...: the index of an IN_SCALAR. Of tensors at
 * the alignment of arrays. */
uint32_t stat_at(const ReportUse *use, uint32_t k);

typedef enum { SCHED_CONSTANT, SCHED_COSINE, SCHED_STEPS, SCHED_PLATEAU } SchedKind;
typedef struct Schedule {
  SchedKind kind;
  double to, warmup; /* cosine: last rate, plateau: lowest rate; all: steps of linear warm-up */
  const double *at;
  uint32_t nat;
  double factor; /* steps([...], factor), plateau */
  int64_t patience, cooldown;
  double threshold; /* plateau */
} Schedule;

/* Which parameters a training ends with. */
typedef enum { KEEP_LAST, KEEP_BEST, KEEP_AVERAGE } Keep;

/* One loss of the sum that a training minimises, on data of its own. */
typedef struct SumLoss {
  const char *name;  /* of the loss */
  const char *label; /* in metrics: the name, or `name on data` where two have it; no two the same */
  double weight;
  Fn *loss;             /* params (IN_PARAM), fields (IN_FIELD, index into data->field), -> scalar */
  Data *data, *test;    /* data NULL: it is of draws and parameters alone; test may be NULL */
  uint32_t *test_field; /* by field of data: its number in test */
  bool draws;           /* it has draws of its own */
  int64_t batch;        /* 0: all */
  int64_t tests; /* without data: draws of a test; TESTS_AS_DATA: as many as the test of the others has samples; 0: no test */
} SumLoss;
enum { TESTS_AS_DATA = -1 };

typedef struct Train {
  const char *name; /* the labels: `hnn`, `hnn + pinn` */
  SumLoss *sum;
  uint32_t nsum;
  bool tested;
  Optim opt;
  Schedule sched;
  int64_t steps, epochs; /* one of them, the other 0; epochs are those of the first loss on data */
  int64_t every;         /* 0: train_every chooses */
  double clip;           /* 0: none */
  Keep keep;
  int64_t patience; /* checks without a better test loss; 0: none */
  double average;   /* decay of averaged parameters; 0: none */
  uint64_t seed;
  Memory memory;
  uint32_t *moved;
  uint32_t nmoved;  /* parameters to move, by number */
  Report **monitor; /* evaluated at each check, with the parameters of that moment; of any place in the file */
  uint32_t nmonitor;
} Train;
int64_t train_steps(const Train *t, int64_t n); /* n: samples of the first loss on data, where epochs are given */
int64_t train_every(const Train *t, int64_t steps);

typedef struct Expect {
  const char *text; /* as written */
  Fn *fn;           /* f64; inputs IN_SCALAR, shared, at stat_at of `use` -> bool */
  ReportUse *use;
  uint32_t nuse;
} Expect;

typedef enum { PLOT_LINE, PLOT_SCATTER, PLOT_SECTION, PLOT_PHASE, PLOT_HEAT, PLOT_HISTOGRAM, PLOT_FRAMES, PLOT_KINDS } PlotKind;
extern const char *const plot_kind_name[PLOT_KINDS];

/* Lengths of one unit along x and y: each fills its side, equal, or equal unless that makes a strip of the graph. */
typedef enum { ASPECT_AUTO, ASPECT_EQUAL, ASPECT_LIKELY } Aspect;

/* Sequential maps from low to high, diverging ones from either side of zero; auto: diverging where values lie on both sides of it. */
typedef enum { MAP_AUTO, MAP_SEQUENTIAL, MAP_DIVERGING, MAP_GREY, COLOUR_MAPS } ColourMap;
extern const char *const plot_map_name[COLOUR_MAPS];

typedef struct PlotCurve { /* outputs of Plot.fn by number, -1: none. Of one length: scalars or vectors */
  const char *label;       /* for the legend; NULL: none */
  int x, y;                /* x -1: the point's number; histogram: x alone; heat: y is the matrix */
  int error;               /* half the length of an error bar: a scalar, or one for each point; -1: none */
} PlotCurve;

typedef struct Plot {
  const char *name;
  PlotKind kind;
  Data *data; /* NULL: a constant of the trained model */
  Fn *fn;     /* params, fields, statistics of reports -> the outputs; per sample with data. NULL without curves */
  ReportUse *use;
  uint32_t nuse;
  PlotCurve *curve;
  uint32_t ncurve;
  int colour; /* an output: a scalar, or one for each point; -1: none */
  Fn *grid;   /* params, two coordinates (IN_FIELD 0 and 1) -> a scalar for each function whose
                                level lines or map are drawn, all lanes; NULL: none */
  const char **grid_label;
  uint32_t ngrid;
  const char *title, *caption;    /* or NULL; a caption stands below the plot in reports */
  const char *label[3], *unit[3]; /* of the axes x, y and of the colour; labels have their units in them */
  bool ranged[2];
  double range[2][2]; /* xrange, yrange */
  bool log[2], legend;
  bool animate; /* one after the other, too: frames, or points along the curves */
  Aspect aspect;
  ColourMap map;
  int64_t samples;           /* drawn at most, spread evenly over the set */
  int64_t n, contours, bins; /* grid points an axis; level lines; bins of a histogram, 0: by the number of values */
} Plot;

typedef struct Save {
  const char *name;
  Data *data; /* NULL: the arrays as they are */
  Fn *fn;     /* params, fields, statistics of reports (as in Report) -> one array for each key; truth values as 0 and 1 */
  ReportUse *use;
  uint32_t nuse;
  const char **key;
  bool *truth; /* by key */
} Save;

typedef enum { DO_TRAIN, DO_REPORT, DO_EXPECT, DO_PLOT, DO_DATA, DO_SAVE } ActionKind;
typedef struct Action {
  ActionKind kind;
  Span at;
  union {
    Train *train;
    Report *report;
    Expect *expect;
    Plot *plot;
    Data *data;
    Save *save;
  };
} Action;

/* ---- what was decided ------------------------------------------------------------------------------------- */

typedef enum { ANSWER_UNDECIDED, ANSWER_PROVED, ANSWER_REFUTED } Answer;
extern const char *const answer_text[]; /* "undecided", "proved", "refuted" */

typedef struct Proof {
  const char *text;   /* "symplectic flow to_circles"; of a `prove` its equality, as written */
  const char *detail; /* how sure, or why not; "" if there is nothing to say */
  Span at;
  Answer answer;
  bool stated; /* by a `prove`; else claimed by a flow */
  bool own;    /* of the file itself, not of an import */
} Proof;

/* Named functions, for `hnnc compile`: every fn/hamiltonian/net instance of the file whose argument
 * types are known (declared, or a use fixes them). */
typedef struct Export {
  const char *name;
  const char *kind;        /* "fn", "hamiltonian", "net"; of a flow T "flow", and T_inverse "inverse", T_logdet "logdet" */
  Fn *fn;                  /* params, arguments (IN_FIELD, lane) -> results (lane) */
  const Pattern **pattern; /* by result: of the matrix that it is the nonzeros of, or NULL */
  Span at;
} Export;

/* A loss that no training of the file minimises, if its argument types are known. */
typedef struct Loss {
  const char *name;
  Fn *fn;          /* params, arguments (IN_FIELD, lane) -> scalar (lane) */
  uint32_t *moved; /* parameters by which it has a gradient */
  uint32_t nmoved;
  Span at;
} Loss;

/* A function that cannot be in a library, and why: a text that follows its name. */
typedef struct LeftOut {
  const char *name, *kind, *why;
} LeftOut;

/* Files that were looked for: what the model is depends on whether they were there. */
typedef struct Looked {
  const char *path;
  int mode;
  bool there;
} Looked; /* mode as of access(2) */

/* ---- what was asked --------------------------------------------------------------------------------------- */

/* An array that somebody has, with all of its axes; name "": none, it counts by its place. */
typedef struct AskArray {
  const char *name;
  const char *fault; /* why it cannot be read as numbers; NULL: it can */
  uint32_t rank, dim[IR_MAX_RANK + 1];
} AskArray;

/* An expression to be evaluated on arrays: `H(q, p)`, `{ a = ..., b = ... }`, or a function or a report alone, which then finds its
 * arguments among the arrays. */
typedef struct Ask {
  const char *text, *file; /* file: what the arrays are called by messages; NULL: there are none */
  const AskArray *array;
  uint32_t narray;
  bool columns;     /* they are those of a table: a number a row each */
  const char *on;   /* or there are none, and it is asked on this data set of the model; NULL */
  uint32_t samples; /* or on so many samples, which differ by their draws; 0 */
} Ask;

/* Elements first, first + 1, ..., first + n - 1 of each sample of an array. */
typedef struct AskedPiece {
  uint32_t array, first, n;
} AskedPiece;

/* What a field of `save->data` is made of, one piece behind the other. */
typedef struct AskedField {
  AskedPiece *piece;
  uint32_t npiece;
  bool shared; /* one for all samples */
} AskedField;

typedef struct Asked {
  Save *save;        /* the last action; on DATA_GIVEN, on a data set of the model, or on nothing where no array is needed */
  AskedField *field; /* of DATA_GIVEN */
  /* Axes of the samples, in arrays and results; 0: of one sample, without an axis. Of a data set of the model they are its own. */
  uint32_t nlead, lead[IR_MAX_RANK + 1];
} Asked;

/* An instance that starts from a file, of which it takes what has its own path, or one that begins with `as`. */
typedef struct Start {
  const char *instance, *file, *as; /* as NULL: its own */
  Span at;
} Start;

typedef struct Model {
  Arena *mem;
  Interner *names;
  const char *path, *name; /* "models/kepler.hnn", "kepler" */
  bool f64;
  Param *param;
  uint32_t nparam;
  Data **data;
  uint32_t ndata;
  Action *action;
  uint32_t naction;
  Export *export_;
  uint32_t nexport;
  Loss *loss;
  uint32_t nloss;
  LeftOut *left_out;
  uint32_t nleft_out;
  Proof *proof;
  uint32_t nproof;
  Looked *looked;
  uint32_t nlooked;
  Start *start;
  uint32_t nstart;
  const char **file; /* that constants were read from */
  uint32_t nfile;
  Asked *asked; /* what FrontOptions.ask became, NULL: nothing was asked */
} Model;

int64_t model_params(const Model *m); /* how many, each turn of a stack counted */

/* ---- making one ------------------------------------------------------------------------------------------------ */

typedef struct TableInfo { /* what the frontend must know of a data file */
  uint32_t ncolumn;
  bool tree; /* names are paths in it: group/x */
  struct TableColumn {
    const char *name;                /* NULL: none */
    bool number;                     /* false: text */
    const char *fault;               /* why it cannot be read as numbers, with the place in the file; NULL: it can */
    bool gap;                        /* the fault is a gap */
    uint32_t rank, dim[IR_MAX_RANK]; /* of one row */
    int64_t rows;                    /* TABLE_EVERY_ROW: one value, the same for every sample */
  } *column;
} TableInfo;
enum { TABLE_EVERY_ROW = -1 };

typedef struct Tree Tree;

typedef struct FrontOptions {
  const Ask *ask; /* NULL: nothing */
  const char *const *override_;
  uint32_t noverride;  /* "n=5", "train.steps=100", "train.hnn.batch=all" */
  const char *std_dir; /* where import "std/..." is looked for after the file's own directory;
                                NULL: the copies built into the program */
  /* Looks into a data file (runtime's reader). False + a message when it cannot. */
  bool (*table)(void *ctx, Arena *mem, const char *path, bool gaps, TableInfo *out, char *err, size_t errsize);
  /* Which of n of its columns have gaps (the values are read). False + a message when they cannot be read. NULL: none has. */
  bool (*gaps)(void *ctx, const char *path, const int *column, uint32_t n, bool *out, char *err, size_t errsize);
  /* Reads an array of a data file (runtime's rt_array_read): its numbers in row order, in mem. False + a message when it cannot. */
  bool (*array)(void *ctx, Arena *mem, const char *path, const char *name, Type *type, const double **v, char *err, size_t errsize);
  /* The bytes of a file, in mem. NULL + a message when it cannot be read. */
  const unsigned char *(*bytes)(void *ctx, Arena *mem, const char *path, size_t *size, char *err, size_t errsize);
  /* Whether a and b are the same function, exactly; with derivatives still as operators. NULL: not asked, and
   * every claim stays undecided. */
  FieldAnswer (*decide)(void *ctx, const Fn *a, const Fn *b, FieldReport *r);
  /* The text of a file that is imported, or NULL: it is looked for on the disk. The text lives until the model is made. */
  const char *(*text)(void *ctx, const char *path, size_t *len);
  /* Where the tree is to be put, after errors too (model/tree.h); NULL: it is not wanted. */
  Tree *tree;
  bool made; /* with what each evaluation of an expression made (TreeMade) */
  /* What is elaborated now: "the report", its name (or NULL) and place. NULL: nobody asks. */
  void (*at)(void *ctx, const char *what, const char *name, Span at);
  void *ctx;
  struct PassRun *passes; /* whom passes report to; NULL: nobody */
} FrontOptions;

/* Reads, checks and lowers a file. Messages go to diag; NULL after an error (all that could be found
 * are reported). */
Model *model_load(Source *src, const char *path, const FrontOptions *o, Diag *diag);
/* The same of a text in memory (tests, fuzzing). */
Model *model_load_text(Source *src, const char *path, const char *text, size_t len, const FrontOptions *o, Diag *diag);
void model_destroy(Model *m);

/* model_pack.c: a model that was made without errors as bytes, and back (ir/text/pack.h); all but exports, which come after it. */
struct Pack;
void model_pack(struct Pack *p, Model **m);
void model_pack_exports(struct Pack *p, Model *m);

#endif
