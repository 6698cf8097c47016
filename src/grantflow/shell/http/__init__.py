"""Transports: a request value to an HTTP answer, or to a fault.

Rules, the same for every library (``rules``, ``limits`` and ``settings`` have them):

1. No redirects: one would carry a secret to wherever it points (RFC 9700 section 4.11). The body of
   a redirect is not read.
2. Https, or http to this machine; what is meant for this machine goes through no proxy.
3. A total deadline, connecting and TLS included; ten interim answers and 1 MiB of body at most.
4. ``Accept-Encoding: identity``; one layer of gzip or deflate is read all the same, in bounds.
5. No cookies, no ``.netrc``; the same variables name proxies and authorities.
6. Trouble is a ``Fault`` that says whether the server may have acted; in doubt, it may.
"""
