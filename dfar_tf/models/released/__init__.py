"""The released code's forms of four baselines, as far as they are recorded (RELEASED, its baselines).

In: hyper-parameters with ``released_form: true``. Out: a class of the model's own name, found by
``models.model_class``; it overrides what differs from the published model beside it, in ``dfar_tf/models``.
"""
