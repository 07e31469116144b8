import { INNER, NOW, SETTINGS } from './settings.ts'

/** What administrators do to single tasks and to queues. */
export const changeFunctions: string = `
create function apalis.status_1(p_status smallint) returns text language sql immutable as $$
  select case p_status when 0 then 'pending' when 1 then 'running' when 2 then 'done' when 3 then 'failed' when 4 then 'killed' end
$$;

-- The row of a task, locked where its status is one of these: what is refused must be in nobody's way.
create function apalis.lock_1(p_queue text, p_id text, p_status smallint[]) returns apalis.task ${INNER} as $$
declare
  v_queue int := (select q.id from apalis.queue q where q.name = p_queue);
  v_row apalis.task;
begin
  select t.* into v_row from apalis.task t where t.queue = v_queue and t.id = p_id;
  if v_row.status = any(p_status) then
    select t.* into v_row from apalis.task t where t.queue = v_queue and t.id = p_id for update;
  end if;
  return v_row;
end $$;

create function apalis.update_1(p_queue text, p_id text, p_changes text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_row apalis.task := apalis.lock_1(p_queue, p_id, '{0,3}');
  v_run_at bigint;
  v_changes record;
begin
  if v_row.status is null or v_row.status not in (0, 3) then
    return coalesce(apalis.status_1(v_row.status), '');
  end if;
  select * into v_changes from json_to_record(p_changes::json)
    as c(args text, priority smallint, "runAt" double precision, "delayMs" double precision, metadata text);
  v_run_at := coalesce(ceil(v_now + v_changes."delayMs"), ceil(v_changes."runAt"), v_row.run_at)::bigint;
  update apalis.task t set args = coalesce(v_changes.args, t.args), priority = coalesce(v_changes.priority, t.priority),
    metadata = coalesce(v_changes.metadata::json, t.metadata), run_at = v_run_at,
    due_at = case when v_run_at > v_now then v_run_at end,
    lane = case when v_run_at > v_now then null when t.rescues >= 2 then 2 else 1 end
    where t.queue = v_row.queue and t.id = p_id;
  perform apalis.tally_1(v_row.queue, future => (v_run_at > v_now)::int - (v_row.due_at is not null)::int);
  return null;
end $$;

create function apalis.kill_1(p_queue text, p_id text, p_error text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_row apalis.task;
begin
  v_row := apalis.lock_1(p_queue, p_id, '{0,1,3}');
  if v_row.status is null or v_row.status in (2, 4) then
    return null;
  end if;
  update apalis.task t set status = 4, finished_at = v_now, worker = null, lane = null, due_at = null,
    failures = apalis.add_failure_1(t.failures, p_error::jsonb, v_now, t.attempt),
    key_held = case when t.key_until is not null then t.key_held end
    where t.queue = v_row.queue and t.id = p_id;
  if v_row.status = 1 then
    perform apalis.count_down_1(array[v_row.claim], array[1]);
  end if;
  insert into apalis.ended (at, queue, status, ids) values (v_now, v_row.queue, 4, array[p_id]);
  perform apalis.tally_1(v_row.queue, killed => 1, pending => -(v_row.status = 0)::int, running => -(v_row.status = 1)::int,
    failed => -(v_row.status = 3)::int, future => -(v_row.due_at is not null)::int);
  -- Marks and kills take turns: whoever marks it now sees the kill, or is seen by it.
  lock table apalis.awaited in share row exclusive mode;
  return json_build_object('running', v_row.status = 1, 'awaited', apalis.tell_1(v_row.queue, array[p_id]));
end $$;

create function apalis.take_1(p_queue text, p_id text, p_offset bigint) returns boolean ${SETTINGS} as $$
declare
  v_row apalis.task := apalis.lock_1(p_queue, p_id, '{1}');
begin
  if v_row.status is distinct from 1 then
    return false;
  end if;
  update apalis.task t set status = 0, attempt = t.attempt - 1, worker = null, lane = case when t.rescues >= 2 then 2 else 1 end
    where t.queue = v_row.queue and t.id = p_id;
  perform apalis.count_down_1(array[v_row.claim], array[1]);
  perform apalis.tally_1(v_row.queue, running => -1, pending => 1);
  return true;
end $$;

create function apalis.retry_1(p_queue text, p_id text, p_reset boolean, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_row apalis.task := apalis.lock_1(p_queue, p_id, '{4}');
  v_holds boolean;
  v_holder text;
begin
  if v_row.status is distinct from 4 then
    return json_build_object('status', apalis.status_1(v_row.status));
  end if;
  v_holds := v_row.unique_key is not null and (v_row.key_until is null or v_row.key_until > v_now);
  if v_holds then
    update apalis.task t set key_held = null
      where t.queue = v_row.queue and t.unique_key = v_row.unique_key and t.key_held and t.key_until <= v_now and t.id <> p_id;
    select t.id into v_holder from apalis.task t
      where t.queue = v_row.queue and t.unique_key = v_row.unique_key and t.key_held and t.id <> p_id;
    if v_holder is not null then
      return json_build_object('holder', v_holder);
    end if;
  end if;
  begin
    update apalis.task t set status = 0, attempt = case when p_reset then 0 else t.attempt end, rescues = 0, releases = 0,
      run_at = v_now, due_at = null, lane = 1, worker = null, finished_at = null, key_held = nullif(v_holds, false)
      where t.queue = v_row.queue and t.id = p_id;
  exception when unique_violation then
    -- Somebody took the key in this moment.
    select t.id into v_holder from apalis.task t where t.queue = v_row.queue and t.unique_key = v_row.unique_key and t.key_held;
    if v_holder is not null then
      return json_build_object('holder', v_holder);
    end if;
    raise serialization_failure;
  end;
  perform apalis.tally_1(v_row.queue, killed => -1, pending => 1);
  return null;
end $$;

create function apalis.remove_1(p_queue text, p_id text, p_offset bigint) returns text ${SETTINGS} as $$
declare
  v_row apalis.task;
begin
  v_row := apalis.lock_1(p_queue, p_id, '{0,2,3,4}');
  if v_row.status is null or v_row.status = 1 then
    return json_build_object('status', apalis.status_1(v_row.status));
  end if;
  delete from apalis.task t where t.queue = v_row.queue and t.id = p_id;
  perform apalis.tally_1(v_row.queue, pending => -(v_row.status = 0)::int, done => -(v_row.status = 2)::int,
    failed => -(v_row.status = 3)::int, killed => -(v_row.status = 4)::int, future => -(v_row.due_at is not null)::int);
  lock table apalis.awaited in share row exclusive mode;
  return json_build_object('removed', true, 'awaited', apalis.tell_1(v_row.queue, array[p_id]));
end $$;

create function apalis.pause_1(p_queue text, p_on boolean) returns boolean ${SETTINGS} as $$
begin
  if p_on then
    perform apalis.queue_1(p_queue);
  end if;
  update apalis.queue q set paused = p_on where q.name = p_queue and q.paused <> p_on;
  return found;
end $$;
`
