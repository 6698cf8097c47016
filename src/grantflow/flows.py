"""What flows and drivers of your own are made of."""

from grantflow.core.client.client import token_request
from grantflow.core.client.provider import endpoint_problem
from grantflow.core.flows.events import Received, WrapperEvent
from grantflow.core.flows.flow_for import flow_for
from grantflow.core.flows.link import LinkFlow
from grantflow.core.flows.pacing import next_attempt
from grantflow.core.flows.states import Wrapper, phase
from grantflow.core.flows.two_step import TwoStepFlow
from grantflow.core.responses.device import read_device
from grantflow.core.responses.token import read_token
from grantflow.core.values.text import escaped

__all__ = [
    "LinkFlow",
    "Received",
    "TwoStepFlow",
    "Wrapper",
    "WrapperEvent",
    "endpoint_problem",
    "escaped",
    "flow_for",
    "next_attempt",
    "phase",
    "read_device",
    "read_token",
    "token_request",
]
