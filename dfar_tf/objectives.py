"""What a run was trained for: to rank ten candidates, or the whole catalogue."""

from dfar_tf.models import is_untrained


def objective_of(hparams):
    """``ranking`` or ``retrieval``; ``none`` for an untrained model. Older runs lack the key."""
    return (
        "none" if is_untrained(hparams.model_type) else hparams.values().get("objective", "ranking")
    )


def objective_lines(hparams):
    """What a user who ranks the whole catalogue has to know about a run: list of lines."""
    objective = objective_of(hparams)
    if objective == "none":
        return []
    lines = [f"objective: {objective}, loss {hparams.loss}"]
    if objective == "ranking":
        lines.append(
            "WARNING: trained to rank ten candidates (objective=ranking), which ranks the whole catalogue "
            "badly. To recommend, train with --objective=retrieval."
        )
    return lines
