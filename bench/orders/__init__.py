"""What one order costs: the whole product beside the simulators, measured from outside, for any revision of it.

Nothing here imports the product. It is started by the commands of its own Dockerfile and docker-compose.yml, set up by
its own commands, and measured by the kernel, Postgres, Valkey and the books of the sandbox.
"""
