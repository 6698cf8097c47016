"""What ``grantflow doctor`` looks at: one file a subject.

Rules:

1. Facts are gathered by thin functions that judge nothing; a judgement is a function of facts.
2. Looking changes nothing: no mode is repaired, no damaged file is moved aside.
3. A problem says what to do. No fact holds a secret, and no finding shows one.
"""
