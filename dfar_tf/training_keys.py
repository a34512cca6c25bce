"""Which training keys a model takes; anything else is refused with the reason and what works."""

from recommenders_utils.errors import UserError
from recommenders_utils.io.retrieval_iterator import differs_from_paper


def check_training(model, values):
    """Raises UserError unless a model can be trained as the hyper-parameters ask.

    Args:
      model: the class, a ``SequentialModel``.
      values: its hyper-parameters by key; keys that older runs lack may be missing.
    """
    scorer, positions = values.get("scorer", "tower"), values.get("positions", "last")
    loss, feedback = values["loss"], values.get("feedback_input")
    title = model.title or model.__name__
    if scorer not in model.scorers:
        why = model.why_not.get("scorer", "its candidate meets the history itself")
        raise UserError(
            f"scorer: {scorer}, but {title} has no vector of the user alone: {why}. Give --scorer=tower."
        )
    if positions not in model.trained_positions:
        why = model.why_not.get("positions", "it is not causal")
        raise UserError(
            f"positions: {positions}, but {title} cannot train every position of a sequence in one pass: "
            f"{why}. Give --positions=last."
        )
    if positions == "all" and feedback == "positive_only":
        raise UserError(
            "positions: all trains every record of a sequence, but feedback_input: positive_only takes "
            "some out. Give --positions=last, or --feedback_input=label_embedding."
        )
    if loss == "full_softmax" and scorer != "dot":
        raise UserError(
            f"loss: full_softmax scores every item for every target, which needs a product, and {title} "
            "has a tower here. Give --scorer=dot"
            + ("" if "dot" in model.scorers else " with a model that takes it")
            + ", or --loss=softmax --shared_negatives=true with a large --train_num_ngs."
        )
    if values.get("logq_correction") and loss != "softmax":
        raise UserError(
            f"logq_correction: it corrects a softmax over drawn negatives, but loss is {loss}. Give "
            "--loss=softmax, or leave it out."
        )
    if not values["train_num_ngs"] and loss != "full_softmax":
        observed = values["train_targets"] == "feedback" and loss == "log_loss"
        if not observed or values.get("shared_negatives"):
            raise UserError(
                "train_num_ngs: 0 leaves nothing but the targets, which teach something only by their "
                "observed labels. Give 1 or more, or --train_targets=feedback with --loss=log_loss."
            )
    if not differs_from_paper(values):
        return
    if values["iterator"] != "sequential":
        raise UserError(
            f"iterator: {values['iterator']} draws negatives as the released code does, in the batch. Give "
            "--iterator=sequential, or leave negatives, shared_negatives, positions and loss as they are."
        )
    if not values["share_history"]:
        raise UserError(
            "share_history: false repeats a history for each candidate, which in_batch negatives with "
            "positions=last alone allow. Leave it out."
        )
