"""Evaluating subnets: recalibrated batch normalisation, then top-1 and top-5 accuracy."""

from optuna_ofa.evaluation._accuracies import Accuracies as Accuracies, Partial as Partial
from optuna_ofa.evaluation._calibration import Calibration as Calibration
from optuna_ofa.evaluation._computation import (
    LITERT_INT8 as LITERT_INT8,
    Computation as Computation,
    Precision as Precision,
    Runtime as Runtime,
)
from optuna_ofa.evaluation._converted import Converted as Converted
from optuna_ofa.evaluation._data import EvaluationData as EvaluationData
from optuna_ofa.evaluation._evaluate import evaluate, evaluate_on as evaluate_on
from optuna_ofa.evaluation._exported import (
    converter_versions as converter_versions,
    litert_file as litert_file,
    require_packages as require_packages,
)
from optuna_ofa.evaluation._groups import SUBNETS_AT_ONCE as SUBNETS_AT_ONCE
from optuna_ofa.evaluation._identity import weights_hash as weights_hash
from optuna_ofa.evaluation._images import Loader as Loader, take_images
from optuna_ofa.evaluation._known import KnownAnswers as KnownAnswers
from optuna_ofa.evaluation._recalibrate import recalibrate, set_statistics as set_statistics
from optuna_ofa.evaluation._sent import (
    supernet_at as supernet_at,
    tensor_at as tensor_at,
    write_supernet as write_supernet,
    write_tensor as write_tensor,
)
from optuna_ofa.evaluation._settings import EvaluationSettings

__all__ = ["EvaluationSettings", "evaluate", "recalibrate", "take_images"]
