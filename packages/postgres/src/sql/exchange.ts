import { INNER, NOW, SETTINGS } from './settings.ts'

/** So many due rows at least are brought to where they can be claimed at a time. */
const PROMOTED_AT_ONCE = 1_000
/** Rows that have become due but are locked by others are looked at again after so many milliseconds. */
const LOOK_AGAIN_MS = 20
/** A message has less than 8,000 bytes. With more ids than fit, any may have ended. */
const LONGEST_IDS = 2_000
/** Tasks with longer arguments than this together are claimed by several calls: an answer has to arrive in time. */
const LONGEST_CLAIM = 16 * 1_048_576
/** No task is claimed so often between two crashes of the server. */
const RAISED_BY = 100_000

/** When a row that is due after `ms` is: what is due now goes to a lane at once. */
const THEN = 'ceil(p_now + r.ms)::bigint'
const LANE = 'case when t.rescues >= 2 then 2 else 1 end'

/**
 * `exchange_1` settles and claims, or one of the two: without `p_limit` it claims nothing. What ended as done, the most
 * by far, comes as arrays; all other outcomes in `p_others`.
 */
export const exchangeFunctions: string = `
create function apalis.add_failure_1(p_failures jsonb, p_error jsonb, p_at bigint, p_attempt int) returns jsonb
language sql immutable as $$
  select case when p_error is null then p_failures else
    case when jsonb_array_length(p_failures) >= 10 then p_failures - 0 else coalesce(p_failures, '[]') end
      || jsonb_build_array(p_error || jsonb_build_object('at', p_at, 'attempt', p_attempt)) end
$$;

-- The runs of these calls have ended: so many of each.
create function apalis.count_down_1(p_claims bigint[], p_counts int[]) returns void ${INNER} as $$
declare
  v_over bigint[];
begin
  if cardinality(p_claims) = 1 then
    -- What one call brought one call ends, more often than not.
    delete from apalis.claim c where c.n = p_claims[1] and c.running = p_counts[1];
    if found then
      return;
    end if;
  end if;
  with u as (
    update apalis.claim c set running = c.running - r.runs
      from (select r.claim, r.runs from unnest(p_claims, p_counts) as r(claim, runs) order by r.claim) r
      where c.n = r.claim
      returning c.n, c.running
  )
  select array_agg(u.n) into v_over from u where u.running <= 0;
  if v_over is not null then
    delete from apalis.claim c where c.n = any(v_over);
  end if;
end $$;

-- Forgets those among the ended that somebody waits for, and gives back their ids.
create function apalis.tell_1(p_queue int, p_ids text[]) returns text[] ${INNER} as $$
declare
  v_ids text[];
begin
  if exists (select from apalis.awaited a where a.queue = p_queue) then
    with d as (
      delete from apalis.awaited a using (select f.tid from (select distinct i.id from unnest(p_ids) as i(id) order by 1) i
          cross join lateral (select a.ctid as tid from apalis.awaited a where a.queue = p_queue and a.id = i.id limit 1) f) r
        where a.ctid = r.tid returning a.id
    )
    select array_agg(d.id) into v_ids from d;
  end if;
  return v_ids;
end $$;

create function apalis.settle_rows_1(
  p_queue int, p_worker int, p_ids text[], p_epochs int[], p_results text[], p_others json, p_within boolean, p_now bigint,
  -- Something may be due; what was not applied, by its number, and whether it was before; what has ended.
  out due boolean, out late json, out ended text[]
) ${INNER} as $$
declare
  v_count int := cardinality(p_ids);
  v_others int := 0;
  v_tids tid[];
  v_alike boolean;
  v_applied int := 0;
  v_ords bigint[] := '{}';
  v_done text[] := '{}';
  v_killed text[] := '{}';
  v_claims bigint[];
  v_counts int[];
  v_part bigint[];
  v_due boolean := false;
  v_pending int := 0;
  v_failed int := 0;
  v_future int := 0;
begin
  if v_count > 0 then
    -- The limit keeps the planner from walking along the queue and looking each row up among the ids.
    select array_agg(f.tid), array_agg(r.ord) into v_tids, v_ords
      from unnest(p_ids, p_epochs) with ordinality as r(id, epoch, ord)
      cross join lateral (select t.ctid as tid, t.epoch, t.status, t.worker from apalis.task t
        where t.queue = p_queue and t.id = r.id limit 1) f
      where f.epoch = r.epoch and f.status = 1 and f.worker = p_worker;
    v_alike := p_results is null and p_epochs[1] = all(p_epochs);
    if v_tids is null then
      v_ords := '{}';
    elsif v_alike then
      -- In one go. What stands in it is the fence: a row may have been taken since it was looked at.
      with u as (
        update apalis.task t set status = 2, finished_at = p_now, releases = 0, result = null,
          key_held = case when t.key_until is not null then t.key_held end
        where t.ctid = any(v_tids) and t.epoch = p_epochs[1] and t.status = 1 and t.worker = p_worker
        returning t.claim
      ), g as (select u.claim, count(*)::int as runs from u group by u.claim)
      select array_agg(g.claim), array_agg(g.runs), coalesce(sum(g.runs), 0) into v_claims, v_counts, v_applied from g;
    else
      with u as (
        update apalis.task t set status = 2, finished_at = p_now, releases = 0, result = p_results[r.ord],
          key_held = case when t.key_until is not null then t.key_held end
        from unnest(v_tids, v_ords) as r(tid, ord)
        where t.ctid = r.tid and t.epoch = p_epochs[r.ord] and t.status = 1 and t.worker = p_worker
        returning t.claim
      ), g as (select u.claim, count(*)::int as runs from u group by u.claim)
      select array_agg(g.claim), array_agg(g.runs), coalesce(sum(g.runs), 0) into v_claims, v_counts, v_applied from g;
    end if;
    if v_applied < cardinality(v_ords) then
      -- Twice in one call, or taken in this moment: those that are done now, and each once.
      select coalesce(array_agg(d.ord), '{}') into v_ords from (
        select min(o.ord) as ord from unnest(v_ords) as o(ord)
        where exists (select from apalis.task t where t.queue = p_queue and t.id = p_ids[o.ord] and t.status = 2
          and t.worker = p_worker and t.epoch = p_epochs[o.ord] and t.finished_at = p_now)
        group by p_ids[o.ord]) d;
    end if;
    -- In a transaction of the caller's nothing is locked that others settle by: the next beat counts anew.
    if v_claims is not null and not p_within then
      perform apalis.count_down_1(v_claims, v_counts);
    end if;
    if cardinality(v_ords) = v_count then
      v_done := p_ids;
    elsif cardinality(v_ords) > 0 then
      select array_agg(p_ids[o.ord]) into v_done from unnest(v_ords) as o(ord);
    end if;
  end if;
  if p_others is not null then
    v_others := json_array_length(p_others);
    with r as materialized (
      select f.tid, r.epoch, r.type, coalesce(r.ms, 0) as ms, r.error, v_count + r.ord as ord
      from rows from (json_to_recordset(p_others) as (id text, epoch int, type smallint, ms double precision, error jsonb))
        with ordinality as r(id, epoch, type, ms, error, ord)
      -- What is locked is about to be ended by somebody else, maybe by its own handler in a transaction that stays open. Not
      -- so where somebody begins to wait for it: that lock is shared, and waited for by the update.
      cross join lateral (select t.ctid as tid from apalis.task t where t.queue = p_queue and t.id = r.id limit 1
        for share skip locked) f
      order by r.id, r.ord
    ), u as (
      update apalis.task t set
        status = r.type,
        finished_at = case when r.type = 4 then p_now end,
        attempt = t.attempt - (r.type = 0)::int,
        releases = case when r.type <> 0 then 0 when r.ms > 0 then t.releases + 1 else t.releases end,
        run_at = case when r.type = 3 or (r.type = 0 and r.ms > 0) then ${THEN} else t.run_at end,
        due_at = case when r.type = 3 or (r.type = 0 and r.ms > 0) then case when ${THEN} > p_now then ${THEN} end end,
        lane = case when r.type = 4 or ((r.type = 3 or r.ms > 0) and ${THEN} > p_now) then null else ${LANE} end,
        failures = apalis.add_failure_1(t.failures, r.error, p_now, t.attempt),
        key_held = case when r.type <> 4 or t.key_until is not null then t.key_held end
      from r
      where t.ctid = r.tid and t.epoch = r.epoch and t.status = 1 and t.worker = p_worker
      returning t.id, t.claim, t.status, t.due_at, r.ord
    ), g as (select u.claim, count(*)::int as runs from u group by u.claim)
    select array_agg(g.claim), array_agg(g.runs), (select array_agg(u.ord) from u),
      coalesce((select array_agg(u.id) from u where u.status = 4), '{}'),
      (select count(*) from u where u.status = 0), (select count(*) from u where u.status = 3),
      (select count(u.due_at) from u), exists (select from u where u.status <> 4)
      into v_claims, v_counts, v_part, v_killed, v_pending, v_failed, v_future, v_due from g;
    if v_claims is not null then
      if not p_within then
        perform apalis.count_down_1(v_claims, v_counts);
      end if;
      v_ords := v_ords || v_part;
      v_applied := v_applied + cardinality(v_part);
    end if;
  end if;
  if v_applied > 0 then
    insert into apalis.tally (queue, pending, running, done, failed, killed, future)
      values (p_queue, v_pending, -v_applied, v_applied - v_pending - v_failed - cardinality(v_killed), v_failed, cardinality(v_killed), v_future);
    if cardinality(v_done) > 0 then
      insert into apalis.ended (at, queue, status, ids) values (p_now, p_queue, 2, v_done);
    end if;
    if cardinality(v_killed) > 0 then
      insert into apalis.ended (at, queue, status, ids) values (p_now, p_queue, 4, v_killed);
    end if;
  end if;
  if cardinality(v_ords) < v_count + v_others then
    -- Those that were not applied, and whether the row already shows that outcome of that claim.
    select json_agg(json_build_array(r.ord, exists (
        select from apalis.task t where t.queue = p_queue and t.id = r.id and t.epoch = r.epoch and t.worker = p_worker
          and t.status = r.type)))
      into late
      from (
        select r.id, r.epoch, 2::smallint as type, r.ord from unnest(p_ids, p_epochs) with ordinality as r(id, epoch, ord)
        union all
        select r.id, r.epoch, r.type, v_count + r.ord
        from rows from (json_to_recordset(p_others) as (id text, epoch int, type smallint)) with ordinality as r(id, epoch, type, ord)
      ) r
      where not (r.ord = any(v_ords));
  end if;
  due := v_due;
  ended := v_done || v_killed;
end $$;

-- Makes due rows claimable, those due longest first. Gives back when the next is due that is not claimable.
create function apalis.promote_1(p_queue int, p_most int, p_now bigint) returns bigint ${INNER} as $$
declare
  v_next bigint;
  v_count int;
begin
  select t.due_at into v_next from apalis.task t where t.queue = p_queue and t.due_at is not null order by t.due_at limit 1;
  if v_next <= p_now then
    update apalis.task t set lane = ${LANE}, due_at = null
      where t.ctid = any(array(select t.ctid from apalis.task t where t.queue = p_queue and t.due_at <= p_now
        order by t.due_at limit p_most for update skip locked));
    get diagnostics v_count = row_count;
    if v_count > 0 then
      perform apalis.tally_1(p_queue, future => -v_count);
    end if;
    select t.due_at into v_next from apalis.task t where t.queue = p_queue and t.due_at is not null order by t.due_at limit 1;
  end if;
  return v_next;
end $$;

-- A claim does not wait for the disk, so a crash of the server may undo one whose tasks run already. Whoever claims first
-- after it raises the base, and that does wait: nobody claims under an epoch that was given before.
create function apalis.raise_base_1(p_queue int) returns int ${INNER} as $$
begin
  insert into apalis.intact (queue) values (p_queue) on conflict do nothing;
  if found then
    update apalis.queue q set base = coalesce(q.base + ${RAISED_BY}, 0) where q.id = p_queue;
  end if;
  return (select q.base from apalis.queue q where q.id = p_queue);
end $$;

create function apalis.claim_rows_1(
  p_queue int, p_worker int, p_limit int, p_suspects int, p_alone boolean, p_base int, p_now bigint
) returns text ${INNER} as $$
declare
  v_next bigint := apalis.promote_1(p_queue, greatest(p_limit, ${PROMOTED_AT_ONCE}), p_now);
  v_tids tid[];
  v_failed int;
  v_length bigint;
  v_more boolean := false;
  v_claim bigint;
  v_ids text[];
  v_rows text;
begin
  if p_suspects > 0 and exists (select from apalis.task t where t.queue = p_queue and t.lane = 2) then
    with one as materialized (
      select t.ctid as tid, t.status, octet_length(t.args) as length, t.priority, t.run_at, t.seq from apalis.task t
      where t.queue = p_queue and t.lane = 1
      order by t.priority desc, t.run_at, t.seq limit p_limit for update skip locked
    ), two as materialized (
      select t.ctid as tid, t.status, octet_length(t.args) as length, t.priority, t.run_at, t.seq from apalis.task t
      where t.queue = p_queue and t.lane = 2
      order by t.priority desc, t.run_at, t.seq limit p_suspects for update skip locked
    ), p as (
      select * from (select * from one union all select * from two) p order by p.priority desc, p.run_at, p.seq limit p_limit
    )
    select array_agg(p.tid), count(*) filter (where p.status = 3), sum(p.length) into v_tids, v_failed, v_length from p;
  elsif p_alone then
    -- Who claims alone needs no locks to pass over, and what stands in the update below would hold a second one off as well.
    select array_agg(p.tid), count(*) filter (where p.status = 3), sum(p.length) into v_tids, v_failed, v_length from (
      select t.ctid as tid, t.status, octet_length(t.args) as length from apalis.task t where t.queue = p_queue and t.lane = 1
      order by t.priority desc, t.run_at, t.seq limit p_limit
    ) p;
  else
    select array_agg(p.tid), count(*) filter (where p.status = 3), sum(p.length) into v_tids, v_failed, v_length from (
      select t.ctid as tid, t.status, octet_length(t.args) as length from apalis.task t where t.queue = p_queue and t.lane = 1
      order by t.priority desc, t.run_at, t.seq limit p_limit for update skip locked
    ) p;
  end if;
  if v_length > ${LONGEST_CLAIM} then
    select array_agg(r.tid order by r.ord), count(*) filter (where r.status = 3) into v_tids, v_failed from (
      select f.tid, f.status, i.ord, sum(f.length) over (order by i.ord) - f.length as before
      from unnest(v_tids) with ordinality as i(tid, ord)
      cross join lateral (select t.ctid as tid, t.status, octet_length(t.args) as length from apalis.task t
        where t.ctid = i.tid limit 1) f
    ) r where r.before < ${LONGEST_CLAIM};
    v_more := true;
  end if;
  if v_tids is not null then
    v_claim := nextval('apalis.claim_n_seq');
    with u as (
      update apalis.task t set status = 1, lane = null, epoch = greatest(t.epoch, p_base) + 1, attempt = t.attempt + 1, worker = p_worker, claim = v_claim
      where t.ctid = any(v_tids) and t.lane is not null
      returning t.id, concat('[', to_json(t.id), ',', to_json(t.args), ',', t.created_at, ',', t.attempts, ',', t.priority, ',', t.seq,
        -- Most run for the first time, when they were pushed, and have nothing special.
        case when t.epoch <> p_base + 1 or t.attempt <> 1 or t.rescues > 0 or t.releases > 0 or t.run_at <> t.created_at or t.timeout_ms is not null or t.unique_key is not null
          or t.metadata is not null or t.failures is not null then
          concat(',', t.run_at, ',', t.epoch, ',', t.attempt, ',', t.rescues, ',', t.releases, ',', coalesce(t.timeout_ms::text, 'null'),
            ',', coalesce(to_json(t.unique_key), 'null'), ',', coalesce(t.metadata, 'null'), ',', coalesce(t.failures, 'null')) end,
        ']') as row
    )
    select string_agg(u.row, ','), array_agg(u.id) into v_rows, v_ids from u;
  end if;
  if cardinality(v_ids) < cardinality(v_tids) then
    -- Somebody was quicker, and nobody knows what was counted as what: once more, on what there is by now.
    raise serialization_failure;
  end if;
  if v_ids is not null then
    insert into apalis.claim (n, at, queue, worker, running, ids)
      values (v_claim, p_now, p_queue, p_worker, cardinality(v_ids), v_ids);
    insert into apalis.tally (queue, pending, running, failed)
      values (p_queue, v_failed - cardinality(v_ids), cardinality(v_ids), -v_failed);
    -- Every so many calls the rows of a queue become one.
    if v_claim % 128 = 0 then
      perform apalis.add_up_1(p_queue);
    end if;
  end if;
  return concat('{"at":', p_now, ',"epoch":', p_base + 1, ',"rows":[', v_rows, '],"dueIn":',
    case when v_more then '0' when v_next is null then 'null' when v_next <= p_now then '${LOOK_AGAIN_MS}' else (v_next - p_now)::text end, '}');
end $$;

create function apalis.exchange_1(
  p_queue text, p_worker text, p_ids text[], p_epochs int[], p_results text[], p_others text, p_limit int, p_suspects int,
  p_within boolean, p_offset bigint
) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int;
  v_worker int;
  v_paused boolean;
  v_end bigint;
  v_alone boolean;
  v_base int;
  v_intact boolean;
  v_settles boolean := p_ids is not null or p_others is not null;
  v_settled record;
  v_claimed text;
  v_awaited text[];
begin
  if pg_is_in_recovery() then
    -- As it would say of the first write; but what is unlogged cannot be read there either, and that sounds as if it were for good.
    raise read_only_sql_transaction;
  end if;
  select w.queue, w.id, q.paused, w.lease_end,
      not exists (select from apalis.worker o where o.queue = q.id and o.id <> w.id and o.lease_end > v_now),
      q.base, exists (select from apalis.intact i where i.queue = q.id)
    into v_queue, v_worker, v_paused, v_end, v_alone, v_base, v_intact
    from apalis.queue q join apalis.worker w on w.queue = q.id and w.incarnation = p_worker where q.name = p_queue;
  if p_limit is not null and (v_end is null or v_end <= v_now) then
    return '{"lost":true}';
  end if;
  if v_settles then
    select * into v_settled
      from apalis.settle_rows_1(v_queue, v_worker, coalesce(p_ids, '{}'), p_epochs, p_results, p_others::json,
        p_within, v_now);
  elsif v_intact then
    -- A claim that a crash of the server undoes was nobody's: its epoch is given to nobody else.
    perform set_config('synchronous_commit', 'off', true);
  end if;
  if v_paused then
    v_claimed := '{"rows":[]}';
  elsif p_limit is not null then
    if not v_intact then
      v_base := apalis.raise_base_1(v_queue);
    end if;
    v_claimed := apalis.claim_rows_1(v_queue, v_worker, p_limit, p_suspects, v_alone, v_base, v_now);
  end if;
  if not v_settles then
    return concat('{"settled":null,"claimed":', coalesce(v_claimed, 'null'), '}');
  end if;
  if p_within then
    -- Heard when the caller's transaction is committed. Nobody's mark is taken away: it would be locked for as long.
    if v_settled.due or cardinality(v_settled.ended) > 0 then
      perform pg_notify('apalis', json_strip_nulls(json_build_object(
        'due', case when v_settled.due then json_build_object(p_queue, '[]'::json) end,
        'settled', case when cardinality(v_settled.ended) > 0 then json_build_object(p_queue,
          case when octet_length(v_settled.ended::text) < ${LONGEST_IDS} then to_json(v_settled.ended) else '[]'::json end) end
      ))::text);
    end if;
    return concat('{"settled":{"due":false,"late":', coalesce(v_settled.late, 'null'), ',"awaited":null},"claimed":null}');
  end if;
  -- Last, since a kill that waits for this may hold a row that a claim waits for.
  if cardinality(v_settled.ended) > 0 then
    v_awaited := apalis.tell_1(v_queue, v_settled.ended);
  end if;
  return concat('{"settled":{"due":', to_json(v_settled.due), ',"late":', coalesce(v_settled.late, 'null'),
    ',"awaited":', coalesce(to_json(v_awaited), 'null'), '},"claimed":', coalesce(v_claimed, 'null'), '}');
end $$;
`
