import json, time, uuid, pytest
from django.db import connection
from ops.queue import jobs
from ops.refs import LaneName
from ops.workers import scheduling
from tests.ops.job_stub import KIND
pytestmark = pytest.mark.django_db(transaction=True)
def test_plan():
    for n in range(300): jobs.NewJob(KIND, key=f"k{n}", lane=LaneName("wms:north")).enqueue()
    from tests.ops.workers.test_scheduling import VALUES
    with connection.cursor() as c:
        for _ in range(3):
            c.execute("EXPLAIN (ANALYZE, FORMAT JSON) "+scheduling._CLAIM, VALUES|{"token":uuid.uuid4()})
            p=c.fetchone()[0]; p=json.loads(p) if isinstance(p,str) else p
            print("CPU plan", p[0]["Planning Time"], "exec", p[0]["Execution Time"])
            c.execute("EXPLAIN (ANALYZE, FORMAT JSON) "+scheduling._SERVE_LANE, ["wms:north"]*2)
            p=c.fetchone()[0]; p=json.loads(p) if isinstance(p,str) else p
            print("CPU serve plan", p[0]["Planning Time"], "exec", p[0]["Execution Time"])
    a=time.process_time(); w=time.perf_counter()
    for _ in range(200):
        scheduling.claim("wms:north", token=uuid.uuid4())
    print("CPU claim", (time.process_time()-a)/200*1e3, "wall", (time.perf_counter()-w)/200*1e3)
