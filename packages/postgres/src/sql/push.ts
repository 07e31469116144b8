import { INNER, PLAIN_SETTINGS } from './settings.ts'

/** As core has them. */
const LONGEST_MS = 36_525 * 86_400_000
const MOST_BYTES = 1_048_576
const MOST_METADATA_BYTES = 65_536
const DEFAULT_ATTEMPTS = 5
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const YEAR_1 = -62_135_596_800_000
const YEAR_10000 = 253_402_300_800_000

const OPTIONS = ['id', 'attempts', 'timeout', 'delay', 'runAt', 'priority', 'unique', 'metadata']

/**
 * `push` is for triggers and other languages: `select apalis.push('mail', '{"to": "ada"}', '{"delay": "10m"}')`. Options are
 * those of `PushOptions` in TypeScript, checked as there. Its name stays, so that what calls it need not know of versions.
 * Whoever calls it has settings of its own: no text has a backslash, and no number passes through JSON as a float.
 */
export const pushFunctions: string = `
create function apalis.refuse_option_1(p_option text, p_expected text, p_value jsonb) returns void ${INNER} as $$
declare
  v_got text := coalesce(p_value::text, 'NULL');
begin
  if length(v_got) > 60 then
    v_got := left(v_got, 60) || '...';
  end if;
  raise exception using errcode = 'invalid_parameter_value',
    message = format('%s: expected %s, got %s', p_option, p_expected, v_got);
end $$;

create function apalis.check_keys_1(p_where text, p_options jsonb, p_known text[]) returns void ${INNER} as $$
declare
  v_key text;
begin
  if p_options is null or jsonb_typeof(p_options) <> 'object' then
    perform apalis.refuse_option_1(p_where, 'an object with options', p_options);
  end if;
  select k into v_key from jsonb_object_keys(p_options) k where k <> all(p_known) limit 1;
  if v_key is not null then
    perform apalis.refuse_option_1(p_where || '.' || v_key, 'one of the options ' || array_to_string(p_known, ', '),
      p_options -> v_key);
  end if;
end $$;

create function apalis.check_text_1(p_option text, p_value jsonb) returns text ${INNER} as $$
begin
  if jsonb_typeof(p_value) = 'string' and octet_length(p_value #>> '{}') between 1 and 255 then
    return p_value #>> '{}';
  end if;
  perform apalis.refuse_option_1(p_option, 'text of 1 to 255 bytes', p_value);
end $$;

create function apalis.check_whole_1(p_option text, p_value jsonb, p_min int, p_max int) returns int ${INNER} as $$
begin
  if jsonb_typeof(p_value) = 'number' and p_value::numeric between p_min and p_max and p_value::numeric % 1 = 0 then
    return p_value::int;
  end if;
  perform apalis.refuse_option_1(p_option, format('a whole number from %s to %s', p_min, p_max), p_value);
end $$;

create function apalis.check_duration_1(p_option text, p_value jsonb, p_min int) returns numeric ${INNER} as $$
declare
  v_parts text[];
  v_ms numeric;
begin
  if jsonb_typeof(p_value) = 'number' and p_value::numeric >= 0 then
    v_ms := floor(p_value::numeric + 0.5);
  elsif jsonb_typeof(p_value) = 'string' then
    v_parts := regexp_match(p_value #>> '{}', '^([0-9]{1,30}(?:[.][0-9]{1,30})?)(ms|s|m|h|d)$');
    v_ms := floor(v_parts[1]::numeric * case v_parts[2]
      when 'ms' then 1 when 's' then 1000 when 'm' then 60000 when 'h' then 3600000 else 86400000 end + 0.5);
  end if;
  if v_ms between p_min and ${LONGEST_MS} then
    return v_ms;
  end if;
  perform apalis.refuse_option_1(p_option, format('a duration%s such as 250, ''250ms'', ''30s'', ''5m'', ''1h'' or ''7d'', at most 100 years',
    case when p_min > 0 then format(' of at least %s ms', p_min) else '' end), p_value);
end $$;

create function apalis.check_instant_1(p_option text, p_value jsonb) returns numeric ${INNER} as $$
declare
  v_ms numeric;
begin
  -- With its zone: whose else would it be? And none of the words that mean another instant each time.
  if jsonb_typeof(p_value) = 'string' and p_value #>> '{}' ~
    '^[0-9]{4}(-[0-9]{2}){2}[T ][0-9]{2}(:[0-9]{2}){1,2}([.][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
    begin
      -- The server may keep seconds as a float: to the microseconds that it has.
      v_ms := round((extract(epoch from (p_value #>> '{}')::timestamptz) * 1000)::numeric, 3);
    exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
      -- There is no such day.
      v_ms := null;
    end;
  end if;
  if v_ms >= ${YEAR_1} and v_ms < ${YEAR_10000} then
    return v_ms;
  end if;
  perform apalis.refuse_option_1(p_option, 'an instant with its zone in the years 1 to 9999 such as ''2030-01-31T09:00:00Z''', p_value);
end $$;

create function apalis.ulid_1() returns text ${INNER} as $$
declare
  v_ms bigint := floor(extract(epoch from clock_timestamp()) * 1000);
  v_uuid bytea := uuid_send(gen_random_uuid());
  -- Twice five bytes that are nothing but random.
  v_first bigint := ('x' || encode(substr(v_uuid, 1, 5), 'hex'))::bit(40)::bigint;
  v_second bigint := ('x' || encode(substr(v_uuid, 12, 5), 'hex'))::bit(40)::bigint;
begin
  return (
    select string_agg(substr('${ALPHABET}', (p.value >> (5 * p.at) & 31)::int + 1, 1), '' order by p.part, p.at desc)
    from (
      select 1 as part, v_ms as value, a as at from generate_series(0, 9) a
      union all select 2, v_first, a from generate_series(0, 7) a
      union all select 3, v_second, a from generate_series(0, 7) a
    ) p
  );
end $$;

create function apalis.check_unique_1(p_unique jsonb) returns jsonb ${INNER} as $$
begin
  if jsonb_typeof(p_unique) = 'string' then
    return jsonb_build_object('uniqueKey', apalis.check_text_1('unique', p_unique));
  end if;
  perform apalis.check_keys_1('unique', p_unique, '{key,for}');
  return jsonb_build_object('uniqueKey', apalis.check_text_1('unique.key', p_unique -> 'key'))
    || case when p_unique ? 'for' then jsonb_build_object('uniqueForMs', apalis.check_duration_1('unique.for', p_unique -> 'for', 1))
      else '{}' end;
end $$;

create function apalis.check_metadata_1(p_metadata jsonb) returns jsonb ${INNER} as $$
declare
  v_key text;
begin
  if jsonb_typeof(p_metadata) <> 'object' then
    perform apalis.refuse_option_1('metadata', 'an object of named JSON values', p_metadata);
  end if;
  for v_key in select jsonb_object_keys(p_metadata) loop
    perform apalis.check_text_1('metadata key', to_jsonb(v_key));
  end loop;
  if octet_length(p_metadata::text) > ${MOST_METADATA_BYTES} then
    perform apalis.refuse_option_1('metadata', format('at most ${MOST_METADATA_BYTES} bytes as JSON (not %s)',
      octet_length(p_metadata::text)), p_metadata);
  end if;
  return p_metadata;
end $$;

create function apalis.push(queue text, args jsonb, options jsonb default '{}') returns text ${PLAIN_SETTINGS} as $$
declare
  v_queue text := apalis.check_text_1('queue', to_jsonb(queue));
  v_id text;
  v_row jsonb := '{}';
  v_holders json;
begin
  if args is null then
    perform apalis.refuse_option_1('args', 'a JSON value', null);
  end if;
  if octet_length(args::text) > ${MOST_BYTES} then
    perform apalis.refuse_option_1('args', format('at most ${MOST_BYTES} bytes as JSON (not %s)', octet_length(args::text)), args);
  end if;
  perform apalis.check_keys_1('push', options, '{${OPTIONS.join(',')}}');
  v_id := case when options ? 'id' then apalis.check_text_1('id', options -> 'id') else apalis.ulid_1() end;
  if options ? 'timeout' then
    v_row := v_row || jsonb_build_object('timeoutMs', apalis.check_duration_1('timeout', options -> 'timeout', 1));
  end if;
  if options ? 'delay' then
    v_row := v_row || jsonb_build_object('delayMs', apalis.check_duration_1('delay', options -> 'delay', 0));
  end if;
  if options ? 'runAt' then
    if options ? 'delay' then
      perform apalis.refuse_option_1('delay', 'none where runAt is given', options -> 'delay');
    end if;
    v_row := v_row || jsonb_build_object('runAt', apalis.check_instant_1('runAt', options -> 'runAt'));
  end if;
  if options ? 'unique' then
    v_row := v_row || apalis.check_unique_1(options -> 'unique');
  end if;
  if options ? 'metadata' then
    v_row := v_row || jsonb_build_object('metadata', apalis.check_metadata_1(options -> 'metadata'));
  end if;
  v_holders := apalis.insert_1(
    v_queue, array[v_id], array[args::text], case when v_row <> '{}' then jsonb_build_array(v_row)::text end,
    case when options ? 'priority' then apalis.check_whole_1('priority', options -> 'priority', -32768, 32767) else 0 end::smallint,
    case when options ? 'attempts' then apalis.check_whole_1('attempts', options -> 'attempts', 1, 1000000) else ${DEFAULT_ATTEMPTS} end,
    false, format('{"due":{%s:[]}}', to_json(v_queue)), 0
  );
  return coalesce(v_holders ->> 0, v_id);
end $$;
`
