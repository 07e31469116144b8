import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { which } from './binaries.ts'
import { freePort } from './free-port.ts'
import type { PostgresServer } from './server.ts'
import { supervise } from './supervised.ts'
import { unprivileged } from './unprivileged.ts'

/** A PgBouncer in transaction mode before a server. */
export interface Pgbouncer extends AsyncDisposable {
  /** The way through it to what a URL of the server names. */
  through(url: string): string
  /** The process ids of itself, and of the process that ends it when this one ends. */
  readonly pids: { readonly server: number; readonly supervisor: number }
}

/** A way to a PgBouncer, or why there is none. */
export function findPgbouncer():
  | { readonly open: (server: PostgresServer) => Promise<Pgbouncer>; readonly missing?: never }
  | { readonly open?: never; readonly missing: string } {
  const program = which('pgbouncer')
  if (program !== undefined) return { open: (server) => open(program, new URL(server.url)) }
  const missing = 'there is no PgBouncer here: run `apt-get install pgbouncer`'
  return { missing }
}

async function open(program: string, server: URL): Promise<Pgbouncer> {
  const supervised = supervise('pgbouncer')
  const write = (name: string, text: string): void => {
    const path = join(supervised.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    const user = unprivileged()
    if (user !== undefined) chownSync(path, user.uid, user.gid)
  }
  try {
    const [name, password] = [server.username, server.password].map(decodeURIComponent)
    // In plain text it serves for both sides, whatever the server asks for.
    write('users', `"${quoted(name)}" "${quoted(password)}"\n`)
    const { port, started } = await freePort((candidate) => {
      write('pgbouncer.ini', settings(server, candidate))
      return supervised.start(program, ['pgbouncer.ini'], 'process up')
    }, 'Address already in use')
    return {
      through(url) {
        const through = new URL(url)
        through.host = `127.0.0.1:${port}`
        return through.href
      },
      pids: { server: started, supervisor: supervised.pid },
      [Symbol.asyncDispose]: () => supervised[Symbol.asyncDispose](),
    }
  } catch (error) {
    await supervised[Symbol.asyncDispose]()
    throw error
  }
}

function quoted(text: string | undefined): string {
  return (text ?? '').replaceAll('"', '""')
}

/** Whatever is not here is as it comes: a client that needs more than that does not work behind most of them. */
function settings(server: URL, port: number): string {
  return `[databases]
* = host=${server.hostname} port=${server.port || '5432'}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = md5
auth_file = users
pool_mode = transaction
`
}
