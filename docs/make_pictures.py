"""The pictures of README.md and the documentation: ``python docs/make_pictures.py``.

Draws the architectures for a GPU, a CPU and a phone, the fronts of a phone, a desktop and a CPU
core, those of float32 and INT8 of the packaged supernet, a front for microcontrollers measured in
INT8, and every picture of the page Visualization by running that page. Published tables are
downloaded once, or taken from the cache; the GPU's measurements are read from the folder `SHARED`.
Needs Chrome or Chromium, and the extras `litert` and `microcontroller`. Three pictures are of times
on the machine that draws them; all others are the same each time.
"""

from __future__ import annotations

import argparse
import ast
import os
import runpy
import tempfile
from dataclasses import replace
from pathlib import Path

import blocks
import optuna
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import (
    AccuracyMeter,
    AccuracyPredictor,
    EvaluationSettings,
    LatencyMeter,
    MeasurementSettings,
    Supernet,
)
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.fronts import Front
from optuna_ofa.predictors import Predictor
from optuna_ofa.verification import MicroMeter
from optuna_ofa.visualization import plot_choices, plot_fronts

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"
PAGE = DOCS / "visualization.md"
SHARED = DOCS.parents[1] / "shared" / "data"
EXAMPLE = DOCS.parent / "examples" / "gpu_cpu_phone.py"
CHOICES = {"gpu": "2080Ti, batch 1", "cpu": "i7-8700K", "phone": "Note10"}
FAMILY = "ofa_mbv3_w1.2"
DEVICES = {
    "note10": ("Phone: Samsung Note10", "#0072B2"),
    "i7-8700k": ("Desktop: Intel i7-8700K", "#D55E00"),
    "cpu-onnxruntime": ("One CPU core: ONNX Runtime", "#009E73"),
}
N_TRIALS = 20_000
SAME_TOP1 = 82.0  # percent; what it costs on each device is written into the picture
GREY = "#c9ced6"
PRECISIONS = {"float32": "float32", "INT8": "int8"}
N_MEASURED, N_FITTED = 8, 24  # subnets
ON_BOARDS = "microcontroller_fashion"  # the family of the picture of boards
RANGE = [0.48, 1.85]  # logarithms of 3 and 70 ms
TICKS = [5, 10, 20, 40]


def searched(device: str) -> Front:
    """Search one device."""
    study = optuna_ofa.study(FAMILY, hardware=device, seed=0)
    study.search(n_trials=N_TRIALS)
    return study.front()


def side_by_side(fronts: dict[str, Front]) -> go.Figure:
    """Draw fronts in panels with the same axes, each over the others in grey."""
    titles = [title for title, _ in DEVICES.values()]
    figure = make_subplots(1, len(DEVICES), shared_yaxes=True, subplot_titles=titles)
    for column, device in enumerate(DEVICES, start=1):
        for other in fronts:
            if other != device:
                figure.add_trace(_line(fronts[other], GREY, 1.5), row=1, col=column)
        _, colour = DEVICES[device]
        figure.add_trace(_line(fronts[device], colour, 3.5), row=1, col=column)
        _mark(figure, fronts[device], colour, column)
    figure.update_xaxes(type="log", range=RANGE, tickvals=TICKS, title="latency (ms), predicted")
    figure.update_yaxes(title="ImageNet top-1 (%), predicted", col=1)
    figure.update_layout(
        template="plotly_white",
        showlegend=False,
        font={"size": 15, "family": "sans-serif"},
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
    )
    return figure


def _line(front: Front, colour: str, width: float) -> go.Scatter:
    return go.Scatter(
        x=[point.values["latency_ms"] for point in front],
        y=[point.values["top1"] for point in front],
        mode="lines",
        line={"color": colour, "width": width, "shape": "hv"},
    )


def _mark(figure: go.Figure, front: Front, colour: str, column: int) -> None:
    """Write the fastest subnet of the same accuracy beside the line."""
    point = front.best(top1=SAME_TOP1)
    across, up = point.values["latency_ms"], point.values["top1"]
    marker = go.Scatter(x=[across], y=[up], mode="markers", marker={"size": 12, "color": colour})
    figure.add_trace(marker, row=1, col=column)
    figure.add_annotation(
        text=f"<b>{up:.1f} % in {across:.1f} ms</b>",
        font={"color": colour},
        bgcolor="white",
        x=1.0,
        y=0.06,
        xref="x domain",
        yref="y domain",
        xanchor="right",
        showarrow=False,
        row=1,
        col=column,
    )


def gpu_cpu_phone() -> dict[str, go.Figure]:
    """Draw the networks of equal accuracy for a GPU, a CPU and a phone, and their choices."""
    example = runpy.run_path(str(EXAMPLE))
    fleet = example["search"](SHARED / "gpu" / "ofa_gpu_latency.csv", SHARED)
    fronts = fleet.fronts(kind="predicted")
    title = (
        f"<b>The same accuracy ({example['DRAWN_TOP1']:g} %) wants few, wide blocks on a GPU at "
        "batch 1,<br>3x3 kernels on a desktop CPU, more and narrower blocks on a phone</b><br>"
        "<sup>a box is a block: height = expand ratio, number = kernel size; below: pixels, "
        "channels. All values predicted.</sup>"
    )
    networks = example["draw"](fronts).update_layout(
        title={"text": title, "font": {"size": 20}},
        font={"size": 16, "family": "sans-serif", "color": "#222222"},
        margin={"t": 112, "l": 210, "r": 8, "b": 46},
    )
    networks.update_traces(textfont_size=14)
    choices = {
        f"choices_{name}": plot_choices(fronts[device]).update_layout(
            title_text=f"<b>{device}</b>", margin_t=70
        )
        for name, device in CHOICES.items()
    }
    return {"architectures": networks, **choices}


def precisions() -> go.Figure:
    """Search and measure the packaged supernet in float32 and in INT8."""
    images, supernet = packaged_images(), packaged_supernet()
    settings = EvaluationSettings(calibration=images.train.tensors[0])
    test = DataLoader(images.test, 200)
    space = optuna_ofa.SearchSpace(supernet.family)
    accuracy, studies = None, {}
    for name, precision in PRECISIONS.items():
        timing = MeasurementSettings(precision=precision, max_spread=1.0)
        study = optuna_ofa.study(
            space, hardware=optuna_ofa.profile(space, timing), accuracy=accuracy, seed=0
        )
        study.search(n_trials=3_000)
        meters = {
            "top1": AccuracyMeter(supernet, test, settings, precision=precision),
            "latency_ms": LatencyMeter(timing),
        }
        print(study.verify(meters, points=N_MEASURED))
        studies[name] = study
        accuracy = accuracy or _of_int8(study.problem.predictors["top1"], supernet, test, settings)
    return plot_fronts(studies, kind="both")


def _of_int8(
    prior: Predictor, supernet: Supernet, test: DataLoader, settings: EvaluationSettings
) -> AccuracyPredictor:
    """Fit accuracies in INT8 to a few measurements, starting from those in float32."""
    space = prior.space
    few, quantized = space.sample(N_FITTED, seed=1), replace(settings, precision="int8")
    found = optuna_ofa.evaluate(supernet, few, test, quantized)
    return AccuracyPredictor.fit(space, few, found.top1, prior=prior, metadata=found.setup)


def boards() -> go.Figure:
    """Search a packaged supernet by its arena, and measure accuracies and arenas of INT8 files."""
    images, supernet = packaged_images(ON_BOARDS), packaged_supernet(ON_BOARDS)
    settings = EvaluationSettings(
        calibration=images.train.tensors[0], runtime="litert", precision="int8"
    )
    study = optuna_ofa.study(
        ON_BOARDS, objectives=["top1", "sram_kb"], study_name="microcontrollers", seed=0
    )
    study.search(n_trials=2_000)
    meters = {
        "top1": AccuracyMeter(supernet, DataLoader(images.test, 200), settings),
        "sram_kb": MicroMeter("sram_kb", supernet, settings),
    }
    print(study.verify(meters, points=2 * N_MEASURED))
    return study.plot_front()


def drawn() -> dict[str, go.Figure]:
    """Run the page Visualization, and return its figures by the function that drew them."""
    text, before = PAGE.read_text(encoding="utf-8"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            runs = list(blocks.run(PAGE.name, text))
        finally:
            os.chdir(before)
    figures: dict[str, go.Figure] = {}
    for run in runs:
        if isinstance(run.value, go.Figure):
            figures.setdefault(_function(run.block.code), run.value)
    return figures


def _function(code: str) -> str:
    """Return the name of the function that the last line of a block calls."""
    last = ast.parse(code).body[-1]
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    return ast.unparse(last.value.func)


def main() -> None:
    """Draw the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as fronts or plot_front")
    names = parser.parse_args().names
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    PICTURES.mkdir(exist_ok=True)
    if not names or "fronts" in names:
        figure = side_by_side({device: searched(device) for device in DEVICES})
        figure.write_image(PICTURES / "fronts.png", width=1200, height=430, scale=1.5)
    if not names or "architectures" in names:
        for name, figure in gpu_cpu_phone().items():
            size = (1000, 660) if name == "architectures" else (800, 260)
            figure.write_image(PICTURES / f"{name}.png", width=size[0], height=size[1], scale=1.5)
    if not names or "precisions" in names:
        precisions().write_image(PICTURES / "precisions.png", width=900, height=560)
    if not names or "boards" in names:
        boards().write_image(PICTURES / "boards.png", width=900, height=560)
    if not names or set(names) - {"architectures", "boards", "fronts", "precisions"}:
        for name, figure in drawn().items():
            if not names or name in names:
                figure.write_image(PICTURES / f"{name}.png", width=900, height=560)


if __name__ == "__main__":
    main()
