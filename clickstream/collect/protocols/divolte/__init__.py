"""The protocol of Divolte Collector 0.9: what its page tag (`csc-event`) and its JSON source are sent.

A site that has Divolte's tag changes the address that it talks to, and nothing else. Written from Divolte's
documentation (https://divolte-collector.readthedocs.io) and from what its tag sends.
"""
