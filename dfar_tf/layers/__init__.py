"""Keras layers: the attention family (MHA, THA, FHA, FFHA) and what the models share beside it."""

from dfar_tf.layers.block import AttentionBlock
from dfar_tf.layers.factorization_heads import FactorizationHeadsAttention
from dfar_tf.layers.feed_forward import MLP, NormalizedTower
from dfar_tf.layers.feedback_aware import FeedbackAwareFactorizationHeadsAttention
from dfar_tf.layers.interest import InterestAggregation
from dfar_tf.layers.multi_head import MultiHeadAttention
from dfar_tf.layers.talking_heads import TalkingHeadsAttention

CUSTOM_OBJECTS = {
    layer.__name__: layer
    for layer in (
        MLP,
        FactorizationHeadsAttention,
        FeedbackAwareFactorizationHeadsAttention,
        InterestAggregation,
        MultiHeadAttention,
        NormalizedTower,
        TalkingHeadsAttention,
    )
}

__all__ = ["AttentionBlock", "CUSTOM_OBJECTS", *sorted(CUSTOM_OBJECTS)]
