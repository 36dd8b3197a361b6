"""`ts2onnx MODEL.pt`: the options. What it does is imported when they are in order."""

from __future__ import annotations

from typing import Any

import click

from exporter.commands.outcome import outcome

__all__ = ["convert"]

_EPILOG = """\b
Other commands:
  ts2onnx inspect MODEL.pt   look into an archive
  ts2onnx ./inspect          convert a file of that name

\b
Exit codes:
  0  done
  1  no usable archive, a program that can't be converted, a file that can't be written
  2  the command line is wrong or does not fit the model
  3  converted, but the verification found a difference; nothing is written
  4  a mistake in ts2onnx
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path())
@click.option(
    "-o", "--output", type=click.Path(), metavar="OUT.onnx",
    help="Where to write; by default MODEL.onnx in the current folder.",
)  # fmt: skip
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="SPEC",
    help='Dtype and shape of an argument, such as "x=float32[batch,3,224,224]"; a dim that is a '
    'name is dynamic. "xs=list(float32[n,3])" is a list of any length, "y=optional(float32[3])" '
    'may be None, "xs.0" and "d.key" are parts of a list and a dict. '
    "Traced archives bring their own.",
)  # fmt: skip
@click.option(
    "--const", multiple=True, metavar="NAME=VALUE",
    help="Bind an argument to a constant: it is no input then.",
)  # fmt: skip
@click.option(
    "--dynamic", multiple=True, metavar="NAME:AXIS=DIM",
    help="Make an axis of an input dynamic, or name one of an output: x:0=batch,2=height.",
)  # fmt: skip
@click.option("--opset", type=click.IntRange(9, 26), default=20, show_default=True)
@click.option("--method", default="forward", show_default=True, help="The method to convert.")
@click.option(
    "--script-module", type=click.IntRange(0), metavar="N",
    help="Of a torch.package: the number of the ScriptModule, where it has several.",
)  # fmt: skip
@click.option("--input-names", metavar="A,B", help="Names for the model's inputs, in order.")
@click.option("--output-names", metavar="A,B", help="Names for the model's outputs, in order.")
@click.option(
    "--training", type=click.Choice(["eval", "preserve", "train"]), default="eval",
    show_default=True, help="The mode of the modules: dropout, batch normalization.",
)  # fmt: skip
@click.option(
    "--state", multiple=True, metavar="SPEC",
    help='Dtype and shape of a state that differ from its archived value: "h=float32[2,1,128]"; '
    "or of an attribute that this method only reads and another one writes.",
)  # fmt: skip
@click.option("--freeze-state", is_flag=True, help="Keep what the method writes as constants.")
@click.option(
    "--state-out", type=click.Path(), metavar="STATE.npz",
    help="Write the initial values of the state as well.",
)  # fmt: skip
@click.option(
    "--unroll", type=click.IntRange(0), default=64, show_default=True, metavar="TRIPS",
    help="Unroll loops of a known number of trips up to this one.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Choice(["auto", "embed", "external", "reference"]), default="auto",
    show_default=True,
    help="Where weights go: into the file, or beside it; auto does what the size needs. "
    "reference leaves them in MODEL, which must lie in the folder of OUT or below it.",
)  # fmt: skip
@click.option(
    "--verify", is_flag=True,
    help="Run the result in onnxruntime before it is written: against PyTorch where that is "
    "installed, against --expected if given, else as a smoke run.",
)  # fmt: skip
@click.option(
    "--inputs", "input_file", type=click.Path(), metavar="IN.npz",
    help="Arrays to verify with, by input name or in order; examples for arguments without SPEC.",
)  # fmt: skip
@click.option(
    "--expected", type=click.Path(), metavar="OUT.npz",
    help="The outputs that --inputs must give, by output name or in order.",
)  # fmt: skip
@click.option(
    "--rtol", type=click.FloatRange(0), metavar="FLOAT",
    help="Relative tolerance; by default what suits the dtype.",
)  # fmt: skip
@click.option(
    "--atol", type=click.FloatRange(0), metavar="FLOAT",
    help="Absolute tolerance; by default what suits the dtype.",
)  # fmt: skip
@click.option(
    "--symbolics", multiple=True, type=click.Path(), metavar="FILE.py",
    help="Run a Python file first that registers symbolics, for operators of your own.",
)  # fmt: skip
@click.option("--source-lines", is_flag=True, help="Write where each node comes from into it.")
@click.option("--json", "as_json", is_flag=True, help="Report, or error, as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.version_option(package_name="ts2onnx", prog_name="ts2onnx", message="%(prog)s %(version)s")
def convert(model: str, as_json: bool, **options: Any) -> None:
    """Convert the TorchScript archive MODEL to ONNX, without PyTorch."""
    with outcome(model, as_json=as_json):
        from exporter.commands import conversion  # noqa: PLC0415  only here: --help and usage errors do without

        conversion.run(model, as_json=as_json, **options)
