import { BackendError, OptionError } from '@apalis/core'
import { answerOf } from './client.ts'
import type { Link } from './link.ts'
import { toBackendError } from './postgres-errors.ts'
import { inSchema, type Migration, migrations } from './schema.ts'

/** The first half of the advisory lock that migrations take; the other is made of the schema's name. */
const LOCK = 0x6170_6c73

/** What {@link migrate} needs. */
export interface MigrateDeps {
  readonly link: Link
  readonly schema: string
  readonly timeoutMs: number
  /** Whether to take the steps that are missing. */
  readonly migrate: boolean
  /** @default those of this version */
  readonly migrations?: readonly Migration[]
}

/** A name that needs no escaping, wherever it stands. */
export function checkSchema(schema: unknown): string {
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema
  throw new OptionError(
    'schema',
    schema,
    'a name of up to 63 small letters, digits and underscores that does not begin with a digit',
  )
}

/**
 * Brings the schema to its newest version. Each step is one statement, hence a transaction of its own, under an advisory lock:
 * two processes at once take it once, and one that is interrupted leaves nothing of it behind.
 */
export async function migrate({
  link,
  schema,
  timeoutMs,
  migrate: wanted,
  migrations: steps = migrations,
}: MigrateDeps): Promise<void> {
  const known = steps.at(-1)?.version ?? 0
  try {
    let found = await readVersion(link, schema, timeoutMs)
    if (found.version < known && wanted) {
      for (const step of steps.filter(({ version }) => version > found.version)) {
        await link.run(stepSql(schema, step), [], { timeoutMs })
      }
      found = await readVersion(link, schema, timeoutMs)
    }
    if (found.version < known) throw tooOld(schema, found.version, known)
    const breaking = found.breaks.find((version) => version > known)
    if (breaking !== undefined) throw tooNew(schema, breaking, known)
  } catch (error) {
    throw toBackendError('connect', error)
  }
}

/** The statements that bring a schema from version `from` to the newest, for people to read or to run themselves. */
export function migrationSql(schema: string, from = 0): string {
  if (!Number.isInteger(from) || from < 0) throw new OptionError('from', from, 'a version, or 0')
  return migrations
    .filter(({ version }) => version > from)
    .map((step) => `-- Version ${step.version}.\n${stepSql(schema, step)};\n`)
    .join('\n')
}

function stepSql(schema: string, { version, breaks, sql }: Migration): string {
  const text = inSchema(schema, sql)
  if (text.includes('$apalis$')) throw new RangeError('a step of the schema ends its own quotation')
  return `DO $apalis$
begin
perform pg_advisory_xact_lock(${LOCK}, hashtext('${schema}'));
-- Looked up in the table: what a connection remembers of names may be older than the lock.
if not exists (select from pg_catalog.pg_namespace where nspname = '${schema}') then
  create schema "${schema}";
end if;
create table if not exists "${schema}".migration (
  version int primary key,
  applied_at timestamptz not null default now(),
  -- Earlier versions of the package cannot work with it.
  breaks boolean not null
);
if exists (select from "${schema}".migration where version = ${version}) then
  return;
end if;
${text}
insert into "${schema}".migration (version, breaks) values (${version}, ${breaks});
end
$apalis$`
}

const STATE = `SELECT json_build_object('there', to_regclass($1) IS NOT NULL,
  'isolation', current_setting('default_transaction_isolation'),
  'server', current_setting('server_version_num')::int)::text AS answer`
const OLDEST_SERVER = 130_000

interface State {
  readonly there: boolean
  readonly isolation: string
  /** As the server numbers itself: 180004 is 18.4. */
  readonly server: number
}

type Step = Pick<Migration, 'version' | 'breaks'>

interface Found {
  readonly version: number
  readonly breaks: readonly number[]
}

async function readVersion(link: Link, schema: string, timeoutMs: number): Promise<Found> {
  const table = `"${schema}".migration`
  const state = await link.run(STATE, [table], { timeoutMs })
  // As the statement makes it.
  const { there, isolation, server } = JSON.parse(String(answerOf(state.rows))) as State
  if (server < OLDEST_SERVER) {
    throw refuse(
      `the server is PostgreSQL ${Math.floor(server / 10_000)}, and 13 is the oldest that will do`,
    )
  }
  if (isolation !== 'read committed') {
    throw refuse(
      `transactions are ${isolation} by default, and have to be read committed: ALTER ROLE … SET default_transaction_isolation = 'read committed'`,
    )
  }
  if (!there) return { version: 0, breaks: [] }
  const steps = `SELECT coalesce(json_agg(m), '[]')::text AS answer FROM (SELECT version, breaks FROM ${table}) m`
  const { rows } = await link.run(steps, [], { timeoutMs })
  // As the statement makes it.
  const taken = JSON.parse(String(answerOf(rows))) as readonly Step[]
  return {
    version: Math.max(0, ...taken.map(({ version }) => version)),
    breaks: taken.filter(({ breaks }) => breaks).map(({ version }) => version),
  }
}

function tooOld(schema: string, found: number, known: number): BackendError {
  const is = found === 0 ? 'it is not there' : `it is version ${found}`
  return refuse(
    `schema "${schema}": ${is}, and this version of @apalis/postgres needs version ${known}; connect once with migrate: true, or run what PostgresStorage.migrationSql gives`,
  )
}

function tooNew(schema: string, breaking: number, known: number): BackendError {
  return refuse(
    `schema "${schema}": its version ${breaking} cannot be used by this version of @apalis/postgres, which knows versions up to ${known}; use a newer one`,
  )
}

function refuse(message: string): BackendError {
  return new BackendError('connect', message, { transient: false, applied: 'no' })
}
