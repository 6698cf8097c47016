"""Theory of operation.

A **flow** is a protocol written as three pure functions. ``start(now)`` is its first state;
``due(state)`` is what has to be done in a state; ``step(state, event)`` is the state after
something happened. A flow reads no clock and sends nothing, and states are plain values: they can
be compared, stored, resumed and shown.

What is due is a function of the state alone, and it is one of two things: a final state, or one
``Send``. A ``Send`` is a request, the earliest time it may leave, and ``read``, which turns the
reply into an event. There is no timer event: waiting and sending are one effect.

A **run** is a flow with the state it is in. **The driver rule: perform what is due once, then tell
the run what happened.** Whatever a driver does about it (it blocks, awaits, or calls back), nothing
is left to decide. So a driver is ten lines:

>>> def drive(flow, transport, clock):
...     run = begin(flow, clock.now())
...     while True:
...         due = run.due
...         if not isinstance(due, Send):
...             return due  # Authorized, Expired or Failed
...         clock.sleep_until(due.not_before)
...         reply = transport(due.request)
...         run = run.receive(due, reply, clock.now())

The transport returns a ``Response`` of any status, or a ``Fault`` if there was none, and never
raises; ``read`` never raises either. A run that is given up is told so: ``run.apply(GaveUp(at))``.

>>> from datetime import UTC, datetime, timedelta
>>> from grantflow import Client, DeviceFlow, Instant, Moment, Provider, Response, Send, begin
>>> class Clock:
...     mono = timedelta()
...     def now(self):
...         return Moment(Instant(self.mono), datetime(2026, 1, 1, tzinfo=UTC) + self.mono)
...     def sleep_until(self, at):
...         self.mono = max(self.mono, at)
>>> url = "https://acme.example/oauth"
>>> acme = Provider(name="acme", token_endpoint=url, device_authorization_endpoint=url)
>>> bodies = iter([
...     b'{"device_code": "dc", "user_code": "WDJB", "verification_uri": "https://acme.example"}',
...     b'{"error": "authorization_pending"}',
...     b'{"access_token": "at"}',
... ])
>>> clock = Clock()
>>> flow = DeviceFlow(Client(provider=acme, client_id="app"))
>>> final = drive(flow, lambda request: Response(200, {}, next(bodies)), clock)
>>> final.token.access_token
Secret('***')
>>> clock.mono.seconds  # the first poll is one interval after the code
10

Where to look: ``states``, ``events`` and ``effects`` are the vocabulary; ``edges`` has the
transitions as tables; ``pacing`` computes every wait; ``device`` is RFC 8628, section by section;
``token_request`` is what client credentials, refresh and registration share; ``two_step``, ``link``
and ``dpop`` are flows around a flow; ``flow_for`` picks the one that a provider's data names;
``run_codec`` keeps a run. What an answer means is in ``grantflow.core.responses``.
"""
