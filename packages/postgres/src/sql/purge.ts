import { NOW, SETTINGS } from './settings.ts'

/** `purge_1` goes by what is written down of ended tasks, oldest first; those that were brought back since are passed over. */
export const purgeFunctions: string = `
create function apalis.purge_1(p_queue text, p_status smallint, p_older_ms bigint, p_limit int, p_offset bigint) returns int ${SETTINGS} as $$
declare
  v_now bigint := ${NOW};
  v_queue int;
  v_left int := p_limit;
  v_ended record;
  v_gone int;
  v_rest text[];
  v_held int;
  v_not_before bigint;
begin
  select q.id into v_queue from apalis.queue q where q.name = p_queue;
  for v_ended in
    select e.ctid as tid, e.at, e.ids from apalis.ended e
      where e.queue = v_queue and e.status = p_status and e.at <= v_now - p_older_ms
        and (e.not_before is null or e.not_before <= v_now)
      order by e.at for update skip locked
  loop
    exit when v_left <= 0;
    with c as materialized (
      select t.tid, t.id, t.key_until, (t.key_held and (t.key_until is null or t.key_until > v_now)) is true as held, i.ord
      from unnest(v_ended.ids) with ordinality as i(id, ord)
      cross join lateral (select t.ctid as tid, t.id, t.status, t.finished_at, t.key_held, t.key_until from apalis.task t
        where t.queue = v_queue and t.id = i.id limit 1) t
      where t.status = p_status and t.finished_at = v_ended.at
    ), d as (
      delete from apalis.task t
      using (select c.tid from c where not c.held order by c.ord limit v_left for update) c
      where t.ctid = c.tid and t.status = p_status and t.finished_at = v_ended.at
      returning t.id
    )
    select (select count(*) from d), array_agg(c.id) filter (where not exists (select from d where d.id = c.id)),
      count(*) filter (where c.held), min(c.key_until) filter (where c.held)
      into v_gone, v_rest, v_held, v_not_before from c;
    v_left := v_left - v_gone;
    if v_rest is null then
      delete from apalis.ended e where e.ctid = v_ended.tid;
    else
      update apalis.ended e set ids = v_rest, not_before = case when cardinality(v_rest) = v_held then v_not_before end
        where e.ctid = v_ended.tid;
    end if;
  end loop;
  if v_left < p_limit then
    perform apalis.tally_1(v_queue, done => case when p_status = 2 then v_left - p_limit else 0 end,
      killed => case when p_status = 4 then v_left - p_limit else 0 end);
    -- They had ended already, and nobody who comes later may wait for them.
    perform set_config('synchronous_commit', 'off', true);
  end if;
  return p_limit - v_left;
end $$;
`
