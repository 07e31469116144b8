import { INNER, NOW, SETTINGS } from './settings.ts'

/** So long an ended incarnation is remembered, so that a settle of its own that is repeated is known as such. */
const REMEMBERED_MS = 86_400_000

/** Registrations, beats, and what becomes of tasks whose worker is gone or goes. */
export const leaseFunctions: string = `
create function apalis.register_1(
  p_queue text, p_worker text, p_name text, p_layers text, p_lease_ms bigint, p_offset bigint
) returns void ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int := apalis.queue_1(p_queue);
begin
  insert into apalis.worker as w (queue, incarnation, name, layers, lease_ms, started_at, beat_at, lease_end)
    values (v_queue, p_worker, p_name, p_layers::json, p_lease_ms, v_now, v_now, v_now + p_lease_ms)
    on conflict (queue, incarnation) do update set name = excluded.name, layers = excluded.layers,
      lease_ms = excluded.lease_ms, beat_at = excluded.beat_at, lease_end = excluded.lease_end,
      started_at = case when w.lease_end is null then excluded.started_at else w.started_at end;
  -- Whoever comes looks after those who went, so that they do not pile up where nobody ever dies.
  delete from apalis.worker w using (
      select w.id from apalis.worker w where w.queue = v_queue and w.beat_at < v_now - ${REMEMBERED_MS}
        and (w.lease_end is null or w.lease_end <= v_now)
        and not exists (select from apalis.claim c where c.queue = v_queue and c.worker = w.id)
      for update skip locked) old
    where w.id = old.id;
end $$;

-- Counts what of these claims still runs: what ended in a transaction of the caller's was not counted down.
create function apalis.recount_1(p_queue int, p_worker int) returns void ${INNER} as $$
begin
  -- Whoever ends a run counts down in the same transaction. Who has done so by now is seen below, who has not waits for this.
  perform 1 from apalis.claim c where c.queue = p_queue and c.worker = p_worker order by c.n for update;
  update apalis.claim c set ids = a.ids, running = cardinality(a.ids)
    from (select c.n, array(
        select t.id from unnest(c.ids) with ordinality as i(id, ord)
          cross join lateral (select t.id, t.status, t.claim from apalis.task t where t.queue = p_queue and t.id = i.id limit 1) t
          where t.status = 1 and t.claim = c.n order by i.ord) as ids
      from apalis.claim c where c.queue = p_queue and c.worker = p_worker) a
    where c.n = a.n and c.running <> cardinality(a.ids);
  delete from apalis.claim c where c.queue = p_queue and c.worker = p_worker and c.running <= 0;
end $$;

create function apalis.beat_1(p_queue text, p_worker text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int;
  v_worker int;
  v_paused boolean;
  v_lease_ms bigint;
  v_held text;
  v_miscounted boolean;
  v_due bigint;
  v_lapse bigint;
begin
  select q.id, q.paused into v_queue, v_paused from apalis.queue q where q.name = p_queue;
  update apalis.worker w set beat_at = v_now, lease_end = v_now + w.lease_ms
    where w.queue = v_queue and w.incarnation = p_worker and w.lease_end is not null
    returning w.id, w.lease_ms into v_worker, v_lease_ms;
  if v_worker is null then
    return null;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  -- What a claim brought and has ended need not be looked at by the next beat.
  update apalis.claim c set ids = array(
      select t.id from unnest(c.ids) with ordinality as i(id, ord)
        cross join lateral (select t.id, t.status, t.claim from apalis.task t where t.queue = v_queue and t.id = i.id limit 1) t
        where t.status = 1 and t.claim = c.n order by i.ord)
    where c.queue = v_queue and c.worker = v_worker and cardinality(c.ids) > 4 * c.running + 16;
  with h as materialized (
    select t.id, t.epoch from apalis.claim c cross join lateral unnest(c.ids) as i(id)
      cross join lateral (select t.id, t.epoch, t.status, t.claim from apalis.task t where t.queue = v_queue and t.id = i.id limit 1) t
      where c.queue = v_queue and c.worker = v_worker and t.status = 1 and t.claim = c.n
  )
  select (select string_agg(concat('[', to_json(h.id), ',', h.epoch, ']'), ',') from h),
    (select count(*) from h) <> (select sum(c.running) from apalis.claim c where c.queue = v_queue and c.worker = v_worker)
    into v_held, v_miscounted;
  if v_miscounted then
    perform apalis.recount_1(v_queue, v_worker);
  end if;
  if not v_paused then
    if exists (select from apalis.task t where t.queue = v_queue and t.lane is not null) then
      v_due := v_now;
    else
      select t.due_at into v_due from apalis.task t where t.queue = v_queue and t.due_at is not null order by t.due_at limit 1;
    end if;
  end if;
  select min(coalesce((select w.lease_end from apalis.worker w where w.id = h.worker), v_now)) into v_lapse
    from (select distinct c.worker from apalis.claim c where c.queue = v_queue and c.worker <> v_worker) h;
  return json_build_object('leaseMs', v_lease_ms, 'paused', v_paused, 'held', concat('[', v_held, ']')::json,
    'dueIn', case when v_due is not null then greatest(0, v_due - v_now) end,
    'rescueIn', case when v_lapse is not null then greatest(0, v_lapse - v_now) end);
end $$;

-- Running tasks of these claims as they are now, those left out that somebody is about to end. Of a dead worker (with a limit)
-- also those that somebody begins to wait for: they come with the next rescue, and two that rescue never wait for each other.
create function apalis.held_1(p_queue int, p_worker int, p_limit int) returns table (tid tid, rescues int, claim bigint)
${INNER} as $$
declare
  v_tids tid[] := array(
    select t.tid from apalis.claim c cross join lateral unnest(c.ids) as i(id)
      cross join lateral (select t.ctid as tid, t.status, t.claim from apalis.task t where t.queue = p_queue and t.id = i.id limit 1) t
      where c.queue = p_queue and c.worker = p_worker and t.status = 1 and t.claim = c.n);
begin
  if p_limit is null then
    return query
    select t.ctid, t.rescues, t.claim from apalis.task t
      where t.ctid = any(v_tids) and t.status = 1 and t.worker = p_worker
      order by t.seq for share skip locked;
  else
    return query
    select t.ctid, t.rescues, t.claim from apalis.task t
      where t.ctid = any(v_tids) and t.status = 1 and t.worker = p_worker
      order by t.seq limit p_limit for update skip locked;
  end if;
end $$;

create function apalis.rescue_1(p_queue text, p_limit int, p_max int, p_poison text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int;
  v_left int := p_limit;
  v_holder record;
  v_tids tid[];
  v_claims bigint[];
  v_counts int[];
  v_rows json;
  v_killed text[];
  v_pending int;
  v_all json[] := '{}';
  v_ended text[] := '{}';
  v_awaited text[];
begin
  select q.id into v_queue from apalis.queue q where q.name = p_queue;
  -- Lapsed workers that hold nothing.
  update apalis.worker w set lease_end = null where w.queue = v_queue and w.lease_end <= v_now
    and not exists (select from apalis.claim c where c.queue = v_queue and c.worker = w.id);
  for v_holder in
    select h.worker, w.id, w.lease_end from (select distinct c.worker from apalis.claim c where c.queue = v_queue order by 1) h
      left join apalis.worker w on w.id = h.worker
      where w.lease_end is null or w.lease_end <= v_now order by h.worker
  loop
    exit when v_left <= 0;
    -- Its lease ends first: from here on it can neither beat nor claim. Who has beaten meanwhile goes on.
    update apalis.worker w set lease_end = null where w.id = v_holder.worker and (w.lease_end is null or w.lease_end <= v_now);
    continue when not found and v_holder.id is not null;
    select array_agg(h.tid) into v_tids from apalis.held_1(v_queue, v_holder.worker, v_left) h;
    if v_tids is null then
      perform apalis.recount_1(v_queue, v_holder.worker);
      continue;
    end if;
    with u as (
      update apalis.task t set rescues = t.rescues + 1, attempt = t.attempt - 1, worker = null,
        status = case when t.rescues + 1 >= p_max then 4 else 0 end,
        finished_at = case when t.rescues + 1 >= p_max then v_now end,
        lane = case when t.rescues + 1 >= p_max then null when t.rescues + 1 >= 2 then 2 else 1 end,
        failures = case when t.rescues + 1 >= p_max
          then apalis.add_failure_1(t.failures, p_poison::jsonb, v_now, t.attempt) else t.failures end,
        key_held = case when t.rescues + 1 < p_max or t.key_until is not null then t.key_held end
      where t.ctid = any(v_tids)
      returning t.claim, t.id, t.status, t.seq, apalis.row_1(t) as row
    ), g as (select u.claim, count(*)::int as runs from u group by u.claim)
    select array_agg(g.claim), array_agg(g.runs), (select json_agg(u.row order by u.seq) from u),
      coalesce((select array_agg(u.id) from u where u.status = 4), '{}'), (select count(*) from u where u.status = 0)
      into v_claims, v_counts, v_rows, v_killed, v_pending from g;
    perform apalis.count_down_1(v_claims, v_counts);
    perform apalis.tally_1(v_queue, running => -cardinality(v_killed) - v_pending, pending => v_pending, killed => cardinality(v_killed));
    if cardinality(v_killed) > 0 then
      insert into apalis.ended (at, queue, status, ids) values (v_now, v_queue, 4, v_killed);
      v_ended := v_ended || v_killed;
    end if;
    v_all := v_all || v_rows;
    v_left := v_left - cardinality(v_killed) - v_pending;
  end loop;
  if cardinality(v_ended) > 0 then
    v_awaited := apalis.tell_1(v_queue, v_ended);
  end if;
  return json_build_object('rows', v_all, 'awaited', v_awaited);
end $$;

create function apalis.leave_1(p_queue text, p_worker text, p_offset bigint) returns boolean ${SETTINGS} as $$
declare
  v_queue int;
  v_worker int;
  v_tids tid[];
  v_claims bigint[];
  v_counts int[];
  v_released int;
begin
  select w.queue, w.id into v_queue, v_worker
    from apalis.queue q join apalis.worker w on w.queue = q.id and w.incarnation = p_worker where q.name = p_queue;
  if v_worker is null then
    return false;
  end if;
  update apalis.worker w set lease_end = null where w.id = v_worker;
  perform apalis.recount_1(v_queue, v_worker);
  select array_agg(h.tid) into v_tids from apalis.held_1(v_queue, v_worker, null) h;
  if v_tids is null then
    return false;
  end if;
  with u as (
    update apalis.task t set status = 0, attempt = t.attempt - 1, worker = null, lane = case when t.rescues >= 2 then 2 else 1 end
      where t.ctid = any(v_tids)
      returning t.claim
  ), g as (select u.claim, count(*)::int as runs from u group by u.claim)
  select array_agg(g.claim), array_agg(g.runs), sum(g.runs) into v_claims, v_counts, v_released from g;
  perform apalis.count_down_1(v_claims, v_counts);
  perform apalis.tally_1(v_queue, running => -v_released, pending => v_released);
  return true;
end $$;
`
