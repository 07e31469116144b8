/**
 * What every function of the hot path is created with. There is one way to the rows, whatever the statistics say: along the
 * index, one row after the other. And nobody's search path decides what an operator means.
 */
export const SETTINGS = `language plpgsql
  set search_path = pg_catalog, pg_temp
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off`

/** What the others are created with. */
export const PLAIN_SETTINGS = `language plpgsql
  set search_path = pg_catalog, pg_temp
  set jit = off`

/** For functions that are called by others only: the settings are in force by then. */
export const INNER = 'language plpgsql'

/** The time of the storage, in whole milliseconds since 1970. The offset is for tests that move time. */
export const NOW = '(floor(extract(epoch from clock_timestamp()) * 1000)::bigint + p_offset)'
