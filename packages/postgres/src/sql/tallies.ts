import { INNER } from './settings.ts'

/** Counts changes: a row for each call, so that no call waits for another, until `add_up_1` makes one of a queue's rows. */
export const tallyFunctions: string = `
create function apalis.add_up_1(p_queue int) returns void ${INNER} as $$
begin
  with d as (
    delete from apalis.tally t
    using (select t.ctid as tid from apalis.tally t where t.queue = p_queue for update skip locked) p
    where t.ctid = p.tid
    returning t.*
  )
  insert into apalis.tally (queue, pending, running, done, failed, killed, future)
    select p_queue, sum(d.pending), sum(d.running), sum(d.done), sum(d.failed), sum(d.killed), sum(d.future)
    from d having count(*) > 0;
end $$;

create function apalis.tally_1(
  p_queue int, pending bigint default 0, running bigint default 0, done bigint default 0, failed bigint default 0,
  killed bigint default 0, future bigint default 0
) returns void ${INNER} as $$
declare
  v_n bigint;
begin
  insert into apalis.tally (queue, pending, running, done, failed, killed, future)
    values (p_queue, pending, running, done, failed, killed, future) returning n into v_n;
  if v_n % 256 = 0 then
    perform apalis.add_up_1(p_queue);
  end if;
end $$;
`
