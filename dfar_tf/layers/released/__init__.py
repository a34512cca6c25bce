"""The layers of the released graph, for ``dfar_released`` and the released forms of the baselines."""
