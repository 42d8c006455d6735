"""What all addresses have in common: who asks, what bodies and fields may be, pages, problem documents, the OpenAPI description.

May import jobs, quotas, workers and the language of `scheduling`; not `api.v1`. Words: *problem* (RFC 9457), *shape*, *field*.
"""
