"""`ts2onnx inspect MODEL.pt`: the options. What it does is imported when they are in order."""

from __future__ import annotations

import click

from exporter.commands.outcome import outcome

__all__ = ["inspect"]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path())
@click.option("--method", help="Only this method of the module.")
@click.option(
    "--script-module", type=click.IntRange(0), metavar="N",
    help="Of a torch.package: the number of the ScriptModule, where it has several.",
)  # fmt: skip
@click.option("--graph", is_flag=True, help="Print the graphs of the methods, as PyTorch would.")
@click.option("--code", is_flag=True, help="Print the code of the archive.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Levels of the module tree.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    model: str,
    method: str | None,
    script_module: int | None,
    graph: bool,
    code: bool,
    depth: int | None,
    as_json: bool,
) -> None:
    """Tell what the TorchScript archive MODEL holds: methods, modules, operators.

    The opset of an operator is the first one that has all that its conversion may need.
    """
    with outcome(model, as_json=as_json):
        from exporter.commands import inspection  # noqa: PLC0415  only here: --help and usage errors do without

        inspection.run(
            model, method, script_module, graph=graph, code=code, depth=depth, as_json=as_json
        )
