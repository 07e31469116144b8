import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Binaries, binariesIn, newestBinaries } from './binaries.ts'
import { Databases } from './databases.ts'
import { freePort } from './free-port.ts'
import { type Supervised, supervise } from './supervised.ts'
import { unprivileged } from './unprivileged.ts'

/** The URL of a server to use instead of starting one, or the folder of the binaries to start one from. */
export const GIVEN = 'APALIS_TEST_POSTGRES'

/** A PostgreSQL for the tests of one file. Disposing leaves nothing behind. */
export interface PostgresServer extends AsyncDisposable {
  /** Of a database of this file's own, with a user who may do everything. */
  readonly url: string
  /** As the server numbers itself: 180004 is 18.4. */
  readonly version: number
  /** The URL of one more database, empty and gone with the rest. `how`: what else `CREATE DATABASE` takes. */
  database(how?: string): Promise<string>
  /** Runs one statement over a connection of its own; the rows come as objects. */
  query(
    sql: string,
    values?: readonly unknown[],
  ): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Ends the connections of an `application_name`, or of a user, to these databases. Gives back how many. */
  terminate(name: string): Promise<number>
}

/** A server that nobody else uses. */
export interface OwnPostgresServer extends PostgresServer {
  /** The process ids of the server, and of the process that ends it when this one ends. */
  readonly pids: () => { readonly server: number; readonly supervisor: number }
  /** Where its files are. */
  readonly folder: string
  /** `fast` rolls back what is open, `immediate` is a crash. Settles when it is down. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again, at the same URL. Settles when it takes connections. */
  start(): Promise<void>
  /** What it logged so far. */
  log(): string
}

/** How a server of one's own is started. */
export interface ServerOptions {
  /** On a disk, and every commit synced. @default false: in memory where that is large enough, since the data goes with the test */
  readonly durable?: boolean
  /** By their names: `{ log_statement: 'all' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A way to a server, or why there is none. */
export type Found<Server> =
  | { readonly open: (options?: ServerOptions) => Promise<Server>; readonly missing?: never }
  | { readonly open?: never; readonly missing: string }

/** The server that was given, or one of this file's own. */
export function findPostgres(): Found<PostgresServer> {
  const given = process.env[GIVEN]
  if (given === undefined || !isUrl(given)) return findOwnPostgres()
  return { open: () => openGiven(given) }
}

/** A server that a test may stop. */
export function findOwnPostgres(): Found<OwnPostgresServer> {
  const given = process.env[GIVEN] ?? ''
  if (isUrl(given)) return { missing: `the server of ${GIVEN} is not to be stopped` }
  if (given !== '') {
    const binaries = binariesIn(given)
    return { open: (options) => openOwn(binaries, options) }
  }
  const { found, problems } = newestBinaries()
  if (found !== undefined) return { open: (options) => openOwn(found, options) }
  const remedy = `run \`npm ci --prefix packages/postgres/test/binaries\`, or set ${GIVEN}`
  const missing = [`there is no PostgreSQL here: ${remedy}`, ...problems].join('; ')
  return { missing }
}

async function openOwn(
  binaries: Binaries,
  { durable = false, settings = {} }: ServerOptions = {},
): Promise<OwnPostgresServer> {
  const supervised = supervise('postgres', durable ? tmpdir() : inMemory())
  try {
    const password = randomBytes(16).toString('base64url')
    await initialize(supervised, binaries, password)
    const launch = (port: number): Promise<number> =>
      supervised.start(
        join(binaries.folder, 'postgres'),
        ['-D', 'data', '-p', String(port), ...commandLine(durable, settings)],
        'database system is ready to accept connections',
      )
    const { port, started } = await freePort(launch, 'Address already in use')
    let pid = started
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
    const databases = new Databases(url, ['postgres'])
    return {
      ...databases.asServer(binaries.version),
      folder: supervised.folder,
      pids: () => ({ server: pid, supervisor: supervised.pid }),
      stop: (mode = 'fast') => supervised.stop(mode === 'fast' ? 'SIGINT' : 'SIGQUIT'),
      async start() {
        pid = await launch(port)
      },
      log: () => supervised.log(),
      [Symbol.asyncDispose]: () => supervised[Symbol.asyncDispose](),
    }
  } catch (error) {
    await supervised[Symbol.asyncDispose]()
    throw error
  }
}

async function initialize(
  supervised: Supervised,
  { folder }: Binaries,
  password: string,
): Promise<void> {
  const file = join(supervised.folder, 'password')
  writeFileSync(file, password, { mode: 0o600 })
  const user = unprivileged()
  if (user !== undefined) chownSync(file, user.uid, user.gid)
  await supervised.run(join(folder, 'initdb'), [
    '--pgdata=data',
    '--username=postgres',
    '--auth=scram-sha-256',
    '--pwfile=password',
    '--encoding=UTF8',
    '--no-locale',
    '--no-sync',
  ])
}

function commandLine(
  durable: boolean,
  settings: Readonly<Record<string, string>>,
): readonly string[] {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    fsync: durable ? 'on' : 'off',
    // In its own folder: what lies elsewhere would stay when the server is killed.
    dynamic_shared_memory_type: 'mmap',
    ...settings,
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** A folder in memory with room for some millions of rows, or else that of temporary files. */
function inMemory(): string {
  const folder = '/dev/shm'
  if (!existsSync(folder)) return tmpdir()
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= 2 ** 32 ? folder : tmpdir()
}

async function openGiven(url: string): Promise<PostgresServer> {
  const databases = new Databases(url)
  await databases.create()
  return {
    ...databases.asServer(await databases.version()),
    [Symbol.asyncDispose]: () => databases.drop(),
  }
}

function isUrl(given: string): boolean {
  return /^postgres(ql)?:/.test(given)
}
