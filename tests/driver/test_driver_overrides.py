#!/usr/bin/env python3
"""name=value on the command line: what it reaches is what the file would say, and messages point at it. test_driver_overrides.py HNNC [TEST...]"""
import sys

from driver_util import check, hnnc, load, main, metrics_of, model, read, same_end, write

TWO = """\
train fit on train_set {
  optimizer = sgd(1e-3, momentum = 0.5)
  schedule = cosine(to = 1e-5, warmup = 3)
  batch = 25
  epochs = 5
}
"""


def both(override, old, new):
    """The same run by an override and by the file changed; another than that of the file as it is."""
    text = read(model(precision="f64")).decode().replace("report error", TWO + "report error")
    write("m.hnn", text)
    check(old in text and text.replace(old, new) != text, "a change", old)
    write("n.hnn", text.replace(old, new))
    hnnc("run", "m.hnn", "--out", "r", "-q")
    hnnc("run", "m.hnn", *override, "--out", "a", "-q")
    hnnc("run", "n.hnn", "--out", "b", "-q")
    same_end("a", "b")
    check(metrics_of("a") == metrics_of("b"), "the same metrics")
    check(load("a/manifest.json")["overrides"] == override and load("a/reports.json") != load("r/reports.json"), "it changes something")


def test_of_all_trainings():
    text = read(model(precision="f64")).decode().replace("report error", TWO + "report error")
    write("m.hnn", text)
    write("n.hnn", text.replace("adam(lr = 1e-2)", "adam(lr = 0.02)").replace("sgd(1e-3,", "sgd(0.02,"))
    hnnc("run", "m.hnn", "train.optimizer.lr=0.02", "--out", "a", "-q")
    hnnc("run", "n.hnn", "--out", "b", "-q")
    same_end("a", "b")


def test_places():
    """An argument that is there by its place or by name, and one that is not."""
    both(["train_set.count=60"], "points(count = 100, seed = 0)", "points(count = 60, seed = 0)")
    both(["energy.widths=[5]"], "mlp([width], 1)", "mlp([5], 1)")
    both(["energy.act=sin"], "mlp([width], 1)", "mlp([width], 1, act = sin)")


def test_one_training():
    text = read(model(precision="f64")).decode()
    write("m.hnn", text)
    for override, old, new in (
            ("train.fit.optimizer.lr=0.02", "lr = 1e-2", "lr = 0.02"),
            ("train.optimizer.betas=[0.5, 0.9]", "lr = 1e-2", "lr = 1e-2, betas = [0.5, 0.9]"),
            ("train.optimizer=sgd(1e-3)", "adam(lr = 1e-2)", "sgd(1e-3)"),
            ("train.fit.schedule.warmup=100", "  batch = 25", "  schedule = constant(warmup = 100)\n  batch = 25"),
            ("train.schedule=cosine(to = 1e-4)", "  batch = 25", "  schedule = cosine(to = 1e-4)\n  batch = 25")):
        write("n.hnn", text.replace(old, new, 1))
        hnnc("run", "m.hnn", override, "--out", "a", "-q")
        hnnc("run", "n.hnn", "--out", "b", "-q")
        same_end("a", "b")
    hnnc("run", "m.hnn", "train.schedule=cosine()", "train.schedule.to=1e-4", "--out", "c", "-q")
    same_end("b", "c")


def test_plots():
    text = read(model(precision="f64")).decode() + "plot map = { kind = histogram, x = q[0] } on test_set\n"
    write("m.hnn", text)
    hnnc("check", "m.hnn", "map.bins=7")
    hnnc("check", "m.hnn", "map.foo=3", code=1, says=["`plot` has no option `foo`", "command line:1:5"])


def test_messages():
    model()
    wrong = "error[%s]: %s\n --> command line:1:%d\n1 | %s\n  | %s\n"
    options = "optimizer, schedule, batch, steps, epochs, clip, only, test, every, seed, memory, keep, monitor, patience, average"
    for text, code, says, at, wide, helps in (
            ("train.optimizer.lrr=1", "unknown_option", "`adam` has no option `lrr`", 17, 3,
             ["did you mean `lr`?", "options of `adam`: lr, betas, eps, weight_decay"]),
            ("train.schedule.to=1e-5", "unknown_option", "`constant` has no option `to`", 16, 2, ["options of `constant`: warmup"]),
            ("train.batch.x=1", "override", "`train.batch.x`: `batch` has no options of its own", 13, 1, []),
            ("train.fitt.steps=3", "override", "the file trains no `fitt`, and `train` has no such option", 12, 5,
             ["did you mean `fit`?", "the file trains fit; options of `train`: " + options]),
            ("train.foo=3", "unknown_option", "`train` has no option `foo`", 7, 3, ["options of `train`: " + options]),
            ("test_set.cnt=5", "unknown_option", "`points` has no option `cnt`", 10, 3, ["options of `points`: count, seed"]),
            ("test_se.count=5", "override", "`test_se.count`: the file has no `use`, `data` or `plot` named `test_se`", 9, 5,
             ["did you mean `test_set`?"]),
            ("optimizer.lr=1", "override", "`optimizer.lr`: the file has no `use`, `data` or `plot` named `optimizer`", 11, 2,
             ["did you mean `train.optimizer.lr=1`?"]),
            ("lr=1", "override", "the file has no constant `lr`", 1, 2, ["did you mean `train.optimizer.lr=1`?"]),
            ("train.lr=3", "override", "`train` has no option `lr`", 7, 2, ["did you mean `train.optimizer.lr=3`?"]),
            ("trian.steps=5", "override", "`trian.steps`: the file has no `use`, `data` or `plot` named `trian`", 7, 5,
             ["did you mean `train.steps=5`?"]),
            ("train.steps=NaN", "override", "`train.steps=NaN`: a value must be a number, not NaN", 7, 5, []),
            ("train..x=1", "override", "`train..x=1` is not a path of names", 1, 10, ["write overrides as `n=5`, `train.steps=100`, `train.optimizer.lr=1e-3`"])):
        r = hnnc("check", "m.hnn", text, code=1)
        check(r.err == wrong % (code, says, at, text, " "*(at - 1) + "^"*wide) + "".join("help: %s\n" % h for h in helps), text, r.err)


if __name__ == "__main__":
    sys.exit(main(globals()))
