"""Networks as graphs for runtimes: ONNX, ExecuTorch, LiteRT, plain torch networks."""

from optuna_ofa.graphs._executorch_graph import (
    EXECUTORCH as EXECUTORCH,
    program_of as program_of,
    write_executorch as write_executorch,
)
from optuna_ofa.graphs._litert_file import (
    LiteRTFile as LiteRTFile,
    LiteRTTensor as LiteRTTensor,
    read_litert as read_litert,
)
from optuna_ofa.graphs._litert_layers import (
    LITERT as LITERT,
    litert_of_net as litert_of_net,
    write_litert as write_litert,
    write_quantized_litert as write_quantized_litert,
)
from optuna_ofa.graphs._micro_operators import (
    MICRO_OPERATORS as MICRO_OPERATORS,
    require_micro_operators as require_micro_operators,
    resolver_method as resolver_method,
)
from optuna_ofa.graphs._onnx_graph import (
    OPSET as OPSET,
    onnx_of_net as onnx_of_net,
    require_opset as require_opset,
    write_onnx as write_onnx,
)
from optuna_ofa.graphs._quantized_graph import (
    INT8_PACKAGES as INT8_PACKAGES,
    N_QUANTIZED as N_QUANTIZED,
    quantized_onnx_of_net as quantized_onnx_of_net,
    write_quantized_onnx as write_quantized_onnx,
)
from optuna_ofa.graphs._quantized_litert import (
    LITERT_INT8 as LITERT_INT8,
    quantized_litert_of_net as quantized_litert_of_net,
)
from optuna_ofa.graphs._run_litert import RUN_LITERT as RUN_LITERT, run_litert as run_litert
from optuna_ofa.graphs._run_onnx import run_onnx as run_onnx
from optuna_ofa.graphs._tflite_micro import (
    TFLITE_MICRO as TFLITE_MICRO,
    arena_of as arena_of,
    tflite_micro_version as tflite_micro_version,
)
from optuna_ofa.graphs._torch_net import (
    SUFFIX as SUFFIX,
    build_net as build_net,
    example_input as example_input,
    fold_batch_norm as fold_batch_norm,
    read_layers as read_layers,
    write_layers as write_layers,
)

__all__ = []
