"""What flows and drivers of your own are made of."""

from grantflow.core.client.provider import endpoint_problem
from grantflow.core.flows.two_step import LinkFlow, TwoStepFlow
from grantflow.core.values.text import escaped

__all__ = ["LinkFlow", "TwoStepFlow", "endpoint_problem", "escaped"]
