import { OptionError } from '@apalis/core'
import {
  answerOf,
  type DrizzleTransaction,
  type KyselyTransaction,
  type PostgresJsTransaction,
  type PostgresQueryTransaction,
  type PostgresTransaction,
  type PostgresValue,
} from './client.ts'
import { sqlState } from './postgres-errors.ts'

/** Sends a statement, and answers with its rows. */
type Send = (text: string, values: PostgresValue[]) => PromiseLike<unknown>

/** A call of one of our functions. */
export interface FunctionCall {
  readonly schema: string
  readonly text: string
  readonly values: readonly unknown[]
}

const EXPECTED =
  'an open transaction of pg, PGlite, postgres.js, Drizzle or Kysely, or an object with `query(text, values)` that sends to one'
/** A statement that is a transaction by itself has no id before it writes. */
const IS_OPEN = 'pg_current_xact_id_if_assigned() IS NOT NULL'
/** What the server says of a statement that needs an open transaction. */
const NONE_OPEN = '25P01'
/** What PGlite, Kysely and Knex say by themselves of a transaction that is over. */
const ENDED = /^Transaction (?:is closed|is already |query already complete)/

/**
 * Calls a function in a transaction of the caller's, and answers as the function does. Throws an `OptionError` where that is
 * none or none is open, and then nothing was done.
 *
 * A transaction that has written something has an id before the call begins. Only where it has none, since the call is its
 * first write or there is no transaction, the function is not called, and the server is asked.
 */
export async function callWithin(
  tx: PostgresTransaction,
  { schema, text, values }: FunctionCall,
): Promise<unknown> {
  const send = senderOf(tx)
  const sent = values.map(toSent)
  const rows = await send(`${text} WHERE ${IS_OPEN}`, [...sent])
  if (hasRow(rows)) return answerOf(rowsOf(rows))
  await askOpen(tx, send, schema)
  return answerOf(rowsOf(await send(text, sent)))
}

/** Whether a transaction sees the name of a queue; `never`: it sees none of what others store from now on. */
export type SeesQueue = 'yes' | 'no' | 'never'

/** Whether a transaction of the caller's, which has to be open, sees a queue's name. */
export async function seesQueue(
  tx: PostgresTransaction,
  schema: string,
  queue: string,
): Promise<SeesQueue> {
  const send = senderOf(tx)
  const known = `EXISTS (SELECT FROM "${schema}".queue WHERE name = $1)`
  const fixed = `current_setting('transaction_isolation') IN ('repeatable read', 'serializable')`
  // Each value once: not every library knows them by their number.
  const sees = `SELECT s.known::text AS known FROM (SELECT ${known} AS known) s WHERE s.known OR ${fixed}`
  const rows = rowsOf(await send(sees, [queue]))
  if (hasRow(rows)) return answerOf(rows) === 'true' ? 'yes' : 'never'
  await askOpen(tx, send, schema)
  return 'no'
}

/** A lock that everybody who reads takes anyway, by the one statement that is refused outside of a transaction and leaves nothing behind inside. */
async function askOpen(tx: PostgresTransaction, send: Send, schema: string): Promise<void> {
  try {
    await send(`LOCK TABLE "${schema}".queue IN ACCESS SHARE MODE`, [])
  } catch (error) {
    throw saysNoneOpen(error) ? refused(tx, 'none is open') : error
  }
}

function saysNoneOpen(error: unknown): boolean {
  if (sqlState(error) === NONE_OPEN) return true
  // Prisma has codes of its own, and that of the server in its message.
  return error instanceof Error && error.message.includes(`\`${NONE_OPEN}\``)
}

/** How to send by what the caller gave, which is known by its methods. */
function senderOf(tx: PostgresTransaction): Send {
  // JavaScript passes anything.
  const given: unknown = tx
  const send = libraryOf(given)
  return async (text, values) => {
    try {
      return await send(text, values)
    } catch (error) {
      throw plainError(given, error)
    }
  }
}

function libraryOf(given: unknown): Send {
  if (!isObject(given)) throw refused(given)
  if (isKysely(given)) return sendByKysely(given)
  if (isPostgresJs(given)) return sendByPostgresJs(given)
  if (isDrizzle(given)) return sendByDrizzle(given)
  if (isQuery(given)) return sendByQuery(given)
  throw refused(given)
}

/** The server's error that Drizzle has wrapped; an `OptionError` where a library itself knows that the transaction is over. */
function plainError(given: unknown, error: unknown): unknown {
  if (!(error instanceof Error) || sqlState(error) !== undefined) return error
  const { cause = error } = error
  if (cause instanceof Error && ENDED.test(cause.message)) {
    return refused(given, 'this one has ended')
  }
  return sqlState(cause) === undefined ? error : cause
}

function sendByQuery(tx: PostgresQueryTransaction): Send {
  if ('totalCount' in tx) {
    throw refused(tx, 'a pool has many connections: connect, and begin on one')
  }
  if ('transaction' in tx)
    throw refused(tx, 'this is the database: take what its transaction gives')
  return (text, values) => tx.query(text, values)
}

function sendByPostgresJs(tx: PostgresJsTransaction): Send {
  if (typeof tx.savepoint !== 'function') {
    throw refused(tx, 'this is a pool: take what `sql.begin` gives')
  }
  return (text, values) => tx.unsafe(text, values)
}

function sendByDrizzle(tx: DrizzleTransaction): Send {
  if (typeof tx.setTransaction !== 'function' || typeof tx.rollback !== 'function') {
    throw refused(tx, 'this is the database: take what `db.transaction` gives')
  }
  // It takes whatever can be asked for its SQL as Drizzle does.
  const execute = tx.execute.bind(tx) as (query: { getSQL(): unknown }) => PromiseLike<unknown>
  return (text, values) => {
    const query = { sql: text, params: values }
    return execute({ getSQL: () => ({ toQuery: () => query }) })
  }
}

function sendByKysely(tx: KyselyTransaction): Send {
  if (!tx.isTransaction) {
    throw refused(tx, 'this is the database: take what `db.transaction().execute` gives')
  }
  // A plugin may read what our functions answer in its own way.
  const plain = tx.withoutPlugins()
  // It takes what `CompiledQuery.raw` of Kysely makes.
  const execute = plain.executeQuery.bind(plain) as (query: object) => Promise<unknown>
  return (text, values) =>
    execute({
      sql: text,
      parameters: values,
      query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
      queryId: { queryId: 'apalis' },
    })
}

function isObject(given: unknown): given is object {
  return (typeof given === 'object' && given !== null) || typeof given === 'function'
}

function isKysely(given: object): given is KyselyTransaction {
  return has(given, 'executeQuery') && has(given, 'withoutPlugins')
}

function isPostgresJs(given: object): given is PostgresJsTransaction {
  return has(given, 'unsafe')
}

function isDrizzle(given: object): given is DrizzleTransaction {
  return has(given, 'execute') && '_' in given
}

function isQuery(given: object): given is PostgresQueryTransaction {
  return has(given, 'query')
}

function has(given: object, method: string): boolean {
  return method in given && typeof (given as Record<string, unknown>)[method] === 'function'
}

function refused(given: unknown, why?: string): OptionError {
  return new OptionError('within(tx)', given, why === undefined ? EXPECTED : `${EXPECTED}; ${why}`)
}

/** Arrays as the server writes them: each library has its own idea of what an array is to become. */
function toSent(value: unknown): PostgresValue {
  if (Array.isArray(value)) return `{${value.map(toElement).join(',')}}`
  return checkPlain(value)
}

function toElement(element: unknown): string {
  const plain = checkPlain(element)
  return plain === null ? 'NULL' : `"${String(plain).replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

function checkPlain(value: unknown): PostgresValue {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return value
  throw new TypeError(`no function of ours takes a value of the type ${typeof value}`)
}

/** Libraries answer with the rows, or with an object that has them. */
function rowsOf(answer: unknown): readonly unknown[] {
  if (Array.isArray(answer)) return answer
  const { rows } = (answer ?? {}) as { readonly rows?: unknown }
  return Array.isArray(rows) ? rows : []
}

function hasRow(answer: unknown): boolean {
  return rowsOf(answer).length > 0
}
