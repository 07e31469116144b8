import { INNER, NOW, PLAIN_SETTINGS, SETTINGS } from './settings.ts'

/** A settle takes milliseconds. What is locked for longer is not about to be settled by a worker. */
const PATIENCE_MS = 250

/** What only reads, and the marks of those who wait. */
export const readingFunctions: string = `
-- A row as an object; what is null in it is not there.
create function apalis.row_1(p_row apalis.task) returns json ${INNER} as $$
declare
  v_claim record;
begin
  if p_row.status = 1 then
    select c.at, w.incarnation into v_claim from apalis.claim c left join apalis.worker w on w.id = c.worker where c.n = p_row.claim;
    return json_strip_nulls(json_build_object('id', p_row.id, 'args', p_row.args, 'status', apalis.status_1(p_row.status),
      'priority', p_row.priority, 'attempt', p_row.attempt, 'attempts', p_row.attempts, 'runAt', p_row.run_at,
      'createdAt', p_row.created_at, 'epoch', p_row.epoch, 'rescues', p_row.rescues, 'releases', p_row.releases,
      'timeoutMs', p_row.timeout_ms, 'uniqueKey', p_row.unique_key, 'lockedBy', coalesce(v_claim.incarnation, 'unknown'),
      'lockedAt', coalesce(v_claim.at, 0), 'metadataText', p_row.metadata::text, 'failures', p_row.failures));
  end if;
  return json_strip_nulls(json_build_object('id', p_row.id, 'args', p_row.args, 'status', apalis.status_1(p_row.status),
    'priority', p_row.priority, 'attempt', p_row.attempt, 'attempts', p_row.attempts, 'runAt', p_row.run_at,
    'createdAt', p_row.created_at, 'epoch', p_row.epoch, 'rescues', p_row.rescues, 'releases', p_row.releases,
    'timeoutMs', p_row.timeout_ms, 'uniqueKey', p_row.unique_key, 'finishedAt', p_row.finished_at, 'result', p_row.result,
    'metadataText', p_row.metadata::text, 'failures', p_row.failures));
end $$;

create function apalis.get_1(p_queue text, p_ids text[]) returns text ${SETTINGS} as $$
begin
  return (select json_agg(r.row order by i.ord) from unnest(p_ids) with ordinality as i(id, ord)
    left join lateral (select apalis.row_1(t) as row from apalis.task t
      where t.queue = (select q.id from apalis.queue q where q.name = p_queue) and t.id = i.id limit 1) r on true);
end $$;

-- Marks tasks awaited; gives back whether there is any to read again.
create function apalis.mark_1(p_queue text, p_ids text[]) returns void ${SETTINGS} as $$
declare
  v_queue int := apalis.queue_1(p_queue);
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into apalis.awaited (queue, id)
    select distinct v_queue, i.id from unnest(p_ids) as i(id)
      cross join lateral (select t.status from apalis.task t where t.queue = v_queue and t.id = i.id limit 1) t
      where t.status not in (2, 4) order by 2
    on conflict do nothing;
end $$;

-- Reads what was marked: a settle that is under way has to end first, since it may not have seen the mark.
create function apalis.watch_1(p_queue text, p_ids text[]) returns text ${SETTINGS} as $$
declare
  v_queue int;
begin
  select q.id into v_queue from apalis.queue q where q.name = p_queue;
  begin
    perform set_config('lock_timeout', '${PATIENCE_MS}', true);
    perform 1 from apalis.task t where t.ctid = any(array(
        select f.tid from unnest(p_ids) as i(id) cross join lateral (select t.ctid as tid from apalis.task t
          where t.queue = v_queue and t.id = i.id limit 1) f))
      and t.status = 1 order by t.id for share;
  exception when lock_not_available then
    -- Its handler settles it in a transaction of its own, which tells by itself when it is committed.
    null;
  end;
  if exists (select from apalis.awaited a where a.queue = v_queue) then
    -- The end of these is known now. Who ends a task in a transaction of its own leaves the mark.
    delete from apalis.awaited a using (select f.tid from (select distinct i.id from unnest(p_ids) as i(id) order by 1) i
        cross join lateral (select a.ctid as tid from apalis.awaited a where a.queue = v_queue and a.id = i.id limit 1) f
        where exists (select from apalis.task t where t.queue = v_queue and t.id = i.id and t.status in (2, 4))) r
      where a.ctid = r.tid;
  end if;
  return apalis.get_1(p_queue, p_ids);
end $$;

-- In order of insertion: no index has that, so it takes as long as the queue is.
create function apalis.list_1(p_queue text, p_status smallint, p_skip bigint, p_limit bigint) returns text ${PLAIN_SETTINGS} as $$
begin
  return (select json_agg(apalis.row_1(p.t) order by (p.t).seq) from (
    select t from apalis.task t where t.queue = (select q.id from apalis.queue q where q.name = p_queue)
      and (p_status is null or t.status = p_status) order by t.seq offset p_skip limit p_limit) p);
end $$;

create function apalis.count_1(p_queue text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int;
  v record;
  v_become bigint;
  v_oldest bigint;
  v_lane bigint;
begin
  select q.id into v_queue from apalis.queue q where q.name = p_queue;
  select coalesce(sum(t.pending), 0) as pending, coalesce(sum(t.running), 0) as running, coalesce(sum(t.done), 0) as done,
    coalesce(sum(t.failed), 0) as failed, coalesce(sum(t.killed), 0) as killed, coalesce(sum(t.future), 0) as future
    into v from apalis.tally t where t.queue = v_queue;
  select count(*), min(t.due_at) into v_become, v_oldest from apalis.task t where t.queue = v_queue and t.due_at <= v_now;
  for v_at in 1 .. 2 loop
    -- The longest waiting of each priority, each found by one step along the index.
    with recursive stair (priority) as (
      (select t.priority from apalis.task t where t.queue = v_queue and t.lane = v_at order by t.priority desc limit 1)
      union all
      select (select t.priority from apalis.task t where t.queue = v_queue and t.lane = v_at and t.priority < s.priority
        order by t.priority desc limit 1)
      from stair s where s.priority is not null
    )
    select min((select t.run_at from apalis.task t where t.queue = v_queue and t.lane = v_at and t.priority = s.priority
      order by t.run_at limit 1)) into v_lane from stair s where s.priority is not null;
    v_oldest := least(v_oldest, v_lane);
  end loop;
  return json_build_object('pending', v.pending, 'running', v.running, 'done', v.done, 'failed', v.failed, 'killed', v.killed,
    'due', v.pending + v.failed - v.future + v_become, 'oldestDueMs', case when v_oldest is not null then greatest(0, v_now - v_oldest) end);
end $$;

-- What somebody who cannot be told of anything wants to know: of every queue whether something is due and when the next is,
-- the latest kills, and which of these tasks nobody waits for any more.
create function apalis.look_1(p_queues text[], p_ids text[], p_since bigint, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queues json;
  v_killed json;
  v_last bigint;
  v_settled json;
begin
  select json_agg(json_build_object('name', q.name, 'paused', q.paused,
      'due', exists (select from apalis.task t where t.queue = q.id and t.lane is not null),
      'dueAt', (select t.due_at from apalis.task t where t.queue = q.id and t.due_at is not null order by t.due_at limit 1)))
    into v_queues from apalis.queue q;
  -- Numbers are given out before they are committed: a few are looked at again.
  select json_agg(json_build_array(q.name, e.ids)), max(e.n) into v_killed, v_last
    from (select e.n, e.queue, e.ids from apalis.ended e where e.status = 4 and e.n > p_since - 100 order by e.n desc limit 1000) e
    cross join lateral (select q.name from apalis.queue q where q.id = e.queue limit 1) q;
  select json_agg(json_build_array(i.queue, i.id)) into v_settled
    from unnest(p_queues, p_ids) as i(queue, id)
    cross join lateral (select (select q.id from apalis.queue q where q.name = i.queue) as queue) k
    where not exists (select from apalis.awaited a where a.queue = k.queue and a.id = i.id)
      or exists (select from apalis.task t where t.queue = k.queue and t.id = i.id and t.status in (2, 4));
  return json_build_object('now', v_now, 'queues', v_queues, 'killed', v_killed, 'last', v_last, 'settled', v_settled);
end $$;

create function apalis.queues_1() returns text ${PLAIN_SETTINGS} as $$
begin
  return (select json_agg(json_build_object('name', q.name, 'paused', q.paused) order by q.id) from apalis.queue q
    where q.paused or (select sum(t.pending + t.running + t.done + t.failed + t.killed) from apalis.tally t where t.queue = q.id) > 0);
end $$;

create function apalis.workers_1(p_queue text, p_offset bigint) returns text ${PLAIN_SETTINGS} as $$
declare
  v_now bigint := ${NOW};
begin
  return (select json_agg(json_build_object('id', w.incarnation, 'queue', q.name, 'name', w.name, 'layers', w.layers,
      'leaseMs', w.lease_ms, 'startedAt', w.started_at, 'lastBeatAt', w.beat_at, 'live', w.lease_end > v_now,
      'held', coalesce((select sum(c.running) from apalis.claim c where c.queue = w.queue and c.worker = w.id), 0)) order by w.id)
    from apalis.worker w join apalis.queue q on q.id = w.queue
    where w.lease_end is not null and (p_queue is null or q.name = p_queue));
end $$;
`
