/* embed OUT FUNCTION NAME=FILE...: writes a C file with the texts of files, and a function that finds them by name. */
#include <stdio.h>
#include <string.h>

static int write_text(FILE *out, int number, const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) {
    perror(path);
    return 1;
  }
  fprintf(out, "static const char text%d[] = {", number);
  for (int c, n = 0; (c = getc(in)) != EOF; n++) fprintf(out, "%s%d,", n % 24 ? "" : "\n  ", (signed char)c);
  fprintf(out, "0\n};\n");
  return fclose(in);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  FILE *out = fopen(argv[1], "w");
  if (!out) return 1;
  fprintf(out, "#include <stddef.h>\n#include <string.h>\n\nconst char *%s(const char *name, size_t *len);\n\n", argv[2]);
  for (int i = 3; i < argc; i++) {
    const char *eq = strchr(argv[i], '=');
    if (!eq || write_text(out, i, eq + 1)) return 1;
  }
  fprintf(out, "\nconst char *%s(const char *name, size_t *len) {\n", argv[2]);
  for (int i = 3; i < argc; i++) {
    int n = (int)(strchr(argv[i], '=') - argv[i]);
    fprintf(out, "  if (!strcmp(name, \"%.*s\")) return *len = sizeof text%d - 1, text%d;\n", n, argv[i], i, i);
  }
  fprintf(out, "  return NULL;\n}\n");
  return fclose(out) != 0;
}
