import { INNER, NOW, SETTINGS } from './settings.ts'

/**
 * `insert_1` stores all rows or none, in order. What is special of the rows is in `p_rest`, one object a row, or null where
 * they have nothing but ids, arguments and the same priority and attempts. Null: all were stored; otherwise an array with
 * the id of who was there for each that was not.
 */
export const insertFunctions: string = `
create function apalis.queue_1(p_name text) returns int ${INNER} as $$
declare
  v_id int;
begin
  select q.id into v_id from apalis.queue q where q.name = p_name;
  while v_id is null loop
    insert into apalis.queue (name) values (p_name) on conflict do nothing returning id into v_id;
    if v_id is null then
      select q.id into v_id from apalis.queue q where q.name = p_name;
    end if;
  end loop;
  return v_id;
end $$;

create function apalis.insert_rows_1(
  p_queue text, p_ids text[], p_args text[], p_rest json, p_priority smallint, p_attempts int, p_plain boolean, p_now bigint
) returns text ${INNER} as $$
declare
  v_queue int := apalis.queue_1(p_queue);
  v_count int := cardinality(p_ids);
  v_seqs bigint[];
  v_keyed boolean := false;
  -- Rows of the call have the same key, or the same id, and some have keys.
  v_twice boolean := false;
  -- Which rows are still to be stored; null: all.
  v_todo int[];
  v_new bigint[];
  v_stored bigint[] := '{}';
  v_future int;
  v_futures int := 0;
  v_holders text[];
  v_left int[];
  v_tally bigint;
  v_met boolean := true;
begin
  if p_plain then
    -- Most pushes meet nobody. Who is told of a conflict pays for that alone; who asks beforehand pays for each row.
    begin
      insert into apalis.task (seq, run_at, created_at, queue, attempts, priority, lane, id, args)
        select r.seq, p_now, p_now, v_queue, p_attempts, p_priority, 1, r.id, r.args
        from (select nextval('apalis.task_seq') as seq, r.id, r.args from unnest(p_ids, p_args) as r(id, args)) r
        order by r.id;
      v_met := false;
    exception when unique_violation then
      -- Somebody is there.
      null;
    end;
  elsif v_count = 1 and p_rest is null then
    -- The same for one alone: who begins nothing that could be undone is quicker.
    insert into apalis.task (seq, run_at, created_at, queue, attempts, priority, lane, id, args)
      values (nextval('apalis.task_seq'), p_now, p_now, v_queue, p_attempts, p_priority, 1, p_ids[1], p_args[1])
      on conflict do nothing;
    v_met := not found;
  end if;
  if not v_met then
    insert into apalis.tally (queue, pending) values (v_queue, v_count) returning n into v_tally;
    if v_tally % 256 = 0 then
      perform apalis.add_up_1(v_queue);
    end if;
    return null;
  end if;
  select array_agg(nextval('apalis.task_seq')) into v_seqs from generate_series(1, v_count);
  if p_rest is not null then
    select count(r.key) > 0, count(r.key) > 0 and (count(distinct r.key) < count(r.key) or count(distinct r.id) < v_count)
      into v_keyed, v_twice
      from rows from (unnest(p_ids), json_to_recordset(p_rest) as ("uniqueKey" text)) as r(id, key);
  end if;
  loop
    if v_keyed then
      -- A holder whose time has passed gives way.
      update apalis.task t set key_held = null
        from (select f.tid from (select distinct r."uniqueKey" as key from json_to_recordset(p_rest) as r("uniqueKey" text) order by 1) k
          cross join lateral (select t.ctid as tid from apalis.task t
            where t.queue = v_queue and t.unique_key = k.key and t.key_held limit 1) f) r
        where t.ctid = r.tid and t.key_until <= p_now;
    end if;
    with r as materialized (
      select r.id, r.args, r.seq, r.ord, coalesce(r.priority, p_priority) as priority, coalesce(r.attempts, p_attempts) as attempts,
        coalesce(ceil(r."runAt"), ceil(p_now + r."delayMs"), p_now)::bigint as run_at,
        ceil(p_now + r."uniqueForMs")::bigint as key_until, r."timeoutMs" as timeout_ms, r."uniqueKey" as unique_key, r.metadata::json as metadata
      from rows from (unnest(p_ids), unnest(p_args), unnest(v_seqs), json_to_recordset(p_rest) as (
        priority smallint, attempts int, "runAt" double precision, "delayMs" double precision,
        "timeoutMs" double precision, "uniqueKey" text, "uniqueForMs" double precision, metadata text
      )) with ordinality as r(id, args, seq, priority, attempts, "runAt", "delayMs", "timeoutMs", "uniqueKey", "uniqueForMs", metadata, ord)
      where v_todo is null or r.ord = any(v_todo)
    ), i as (
      insert into apalis.task (seq, run_at, created_at, due_at, key_until, timeout_ms, queue, attempts, priority, lane,
        key_held, id, unique_key, metadata, args)
      select r.seq, r.run_at, p_now, case when r.run_at > p_now then r.run_at end, r.key_until, r.timeout_ms, v_queue, r.attempts,
        r.priority, case when r.run_at > p_now then null else 1 end,
        case when r.unique_key is not null and (r.key_until is null or r.key_until > p_now) then true end,
        r.id, r.unique_key, r.metadata, r.args
      -- Two calls with the same ids, or the same keys, lock them in the same order. Where rows of one call are in each other's
      -- way the first goes first, and what the server then breaks is tried again.
      from r order by case when v_twice then '' when v_keyed then r.unique_key else r.id end collate "C", r.seq
      on conflict do nothing
      returning seq, due_at
    )
    select coalesce(array_agg(i.seq), '{}'), count(i.due_at) into v_new, v_future from i;
    v_stored := v_stored || v_new;
    v_futures := v_futures + v_future;
    exit when cardinality(v_stored) = v_count;
    -- Who was there: by id before by key, and of this call only who came earlier.
    select array_agg(h.holder order by r.ord), array_agg(r.ord) filter (where h.holder is null)
      into v_holders, v_left
      from rows from (unnest(p_ids), unnest(v_seqs), json_to_recordset(p_rest) as ("uniqueKey" text))
        with ordinality as r(id, seq, key, ord)
      cross join lateral (select case when r.seq = any(v_stored) then '' else coalesce(
        (select t.id from apalis.task t where t.queue = v_queue and t.id = r.id
          and not (t.seq > r.seq and t.seq = any(v_stored))),
        (select t.id from apalis.task t where t.queue = v_queue and t.unique_key = r.key and t.key_held
          and not (t.seq > r.seq and t.seq = any(v_stored))),
        -- Or who came later, and was stored since whoever had been there had gone by then.
        (select t.id from apalis.task t where t.queue = v_queue and t.id = r.id),
        (select t.id from apalis.task t where t.queue = v_queue and t.unique_key = r.key and t.key_held)) end as holder) h;
    exit when v_left is null;
    -- Who was there has just gone.
    v_todo := v_left;
  end loop;
  if cardinality(v_stored) > 0 then
    perform apalis.tally_1(v_queue, pending => cardinality(v_stored), future => v_futures);
  end if;
  if cardinality(v_stored) = v_count then
    return null;
  end if;
  return (select json_agg(nullif(h.holder, '') order by h.ord) from unnest(v_holders) with ordinality as h(holder, ord));
end $$;

create function apalis.insert_1(
  p_queue text, p_ids text[], p_args text[], p_rest text, p_priority smallint, p_attempts int, p_refuse boolean,
  p_tell text, p_offset bigint
) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_answer text;
begin
  if p_refuse then
    begin
      v_answer := apalis.insert_rows_1(p_queue, p_ids, p_args, p_rest::json, p_priority, p_attempts, false, v_now);
      if v_answer is not null then
        raise exception using errcode = 'AP001';
      end if;
    exception when sqlstate 'AP001' then
      -- Nothing of it was stored; the answer is kept.
      null;
    end;
  else
    v_answer := apalis.insert_rows_1(p_queue, p_ids, p_args, p_rest::json, p_priority, p_attempts,
      p_rest is null and p_tell is null and cardinality(p_ids) >= 8, v_now);
  end if;
  -- Inside a transaction of the caller's: heard when that is committed.
  if p_tell is not null then
    perform pg_notify('apalis', p_tell);
  end if;
  return v_answer;
end $$;
`
