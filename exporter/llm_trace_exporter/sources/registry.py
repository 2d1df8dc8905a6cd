"""The systems that can be read, by the name that the configuration has for them."""

from __future__ import annotations

from collections.abc import Mapping

from .arize import Arize
from .braintrust import Braintrust
from .datadog import Datadog
from .langfuse import Langfuse
from .langsmith import LangSmith
from .litellm import LiteLLM
from .mlflow import MLflow
from .opik import Opik
from .phoenix import Phoenix
from .results import RESULT_FILES
from .system import System
from .trulens import TruLens
from .weave import Weave

SYSTEMS: Mapping[str, System] = {
    system.name: system
    for system in (
        Phoenix(),
        MLflow(),
        Langfuse(),
        LangSmith(),
        TruLens(),
        LiteLLM(),
        Opik(),
        Braintrust(),
        Weave(),
        Datadog(),
        Arize(),
        *RESULT_FILES,
    )
}
