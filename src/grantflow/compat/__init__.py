"""The five systems' own call signatures over this library: each module can be imported in place of the original."""  # noqa: E501
