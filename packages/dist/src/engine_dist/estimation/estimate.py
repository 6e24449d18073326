"""A step of a job that is not there: the strategy's own code, as process 0 of many."""

from __future__ import annotations

from engine_dist.estimation.fake_group import EstimationError, fake_job
from engine_dist.estimation.hollow import answering, hollow
from engine_dist.estimation.observation import Job, Observation, observe
from engine_dist.strategies.fsdp import FSDPStrategy
from engine_dist.strategies.strategy import Strategy

__all__ = ["estimate"]


def estimate(
    strategy: Strategy, job: Job, world_size: int, shares: int | None = None
) -> Observation:
    """Return what the second step of a training would hold and send on process 0 of many.

    Nothing has values, so that a model of any size needs no memory: the strategy's own code runs in
    a fake process group, on a CPU.

    Parameters
    ----------
    strategy : Strategy
        By which the model is trained. It is changed, and of no more use.
    job : Job
        What is trained.
    world_size : int
        How many processes there would be.
    shares : int, optional
        Over how many of them parameters are divided; by default all.

    Raises
    ------
    EstimationError
        If the model looks at values, which are not there; or torch has no fake process group.
    """
    if isinstance(strategy, FSDPStrategy):  # neither takes memory where nothing has values
        strategy.meta_init, strategy.skip_init_weights = False, True
    with fake_job(world_size), hollow():
        try:
            return observe(strategy, job, shares or world_size, answering)
        except Exception as error:
            if _wants_values(error):
                raise EstimationError(_said(error)) from error
            raise


# by torch's names for them: what asks for a number, or for a shape that depends on numbers
_OF_VALUES = ("DataDependentOutputException", "DynamicOutputShapeException")


def _wants_values(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ in _OF_VALUES or "Cannot access data pointer" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _said(error: BaseException) -> str:
    return (
        "the training step looks at values, and tensors have none where it is estimated "
        f"({str(error).splitlines()[0]}{_place(error)}). Such are .item(), bool(tensor), "
        "tensor[mask] and nonzero(): replace them by torch.where or by what has a fixed shape, or "
        "do so while the model is estimated alone; or measure the run itself, with "
        "MemorySnapshotHook"
    )


def _place(error: BaseException) -> str:
    """Return the last line of the user's own that led to an error."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        own = "/torch/" not in code.co_filename and "engine_dist" not in code.co_filename
        if own and not code.co_filename.startswith("<"):
            found = f", at {code.co_filename}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return found
