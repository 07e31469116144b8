import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { BackendError } from '../../errors/backend-errors.ts'
import { sleep, systemClock } from '../../time/clock.ts'

/** The pause before somebody else's look at a dead lock is over. */
const RETRY_MS = 10
/** No such look takes so long. */
const ABANDONED_MS = 10_000

/** Who has a file. */
interface Owner {
  readonly pid: number
  readonly host: string
  /** When that process began, as its system says it: another process may get the same number later. */
  readonly started: string
}

/** A file that only one process may write to, for as long as the lock stands beside it. */
export class Lock {
  readonly #path: string
  readonly #text: string

  private constructor(path: string, text: string) {
    this.#path = path
    this.#text = text
  }

  /** Takes the lock of `path`, also from a process that is gone. Throws a `BackendError` that names who has it otherwise. */
  static async take(path: string): Promise<Lock> {
    const lockPath = `${path}.lock`
    const own: Owner = {
      pid: process.pid,
      host: hostname(),
      started: (await startOf(process.pid)) ?? '',
    }
    const text = `${JSON.stringify(own)}\n`
    for (;;) {
      if (await create(lockPath, text)) return new Lock(lockPath, text)
      const found = await read(lockPath)
      if (found === undefined) continue
      const owner = ownerOf(found)
      if (owner !== undefined && (await isAlive(owner, own)))
        throw taken(path, lockPath, owner, own)
      await discard(lockPath, found)
    }
  }

  /** Gives it back. What somebody else put there meanwhile stays. */
  async release(): Promise<void> {
    if ((await read(this.#path)) === this.#text) await unlink(this.#path)
  }
}

/** False: there is one. Whole or not at all: others may look at any moment. */
async function create(path: string, text: string): Promise<boolean> {
  const whole = `${path}.${randomUUID()}`
  await writeFile(whole, text)
  try {
    await link(whole, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // There are file systems without links.
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'ENOSYS' && codeOf(error) !== 'ENOTSUP')
      throw error
    return await createAtOnce(path, text)
  } finally {
    await unlink(whole)
  }
}

async function createAtOnce(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Takes away the lock of a process that is gone. One does so at a time, and looks again first: others may have been quicker. */
async function discard(path: string, stale: string): Promise<void> {
  const turnstile = `${path}.stale`
  try {
    await mkdir(turnstile)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    await sleep(systemClock, RETRY_MS)
    // Whoever was at it has died over it.
    const { mtimeMs } = await stat(turnstile).catch(() => ({ mtimeMs: Infinity }))
    if (systemClock.now() - mtimeMs > ABANDONED_MS) await rmdir(turnstile).catch(() => undefined)
    return
  }
  try {
    if ((await read(path)) === stale) await unlink(path)
  } finally {
    await rmdir(turnstile)
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Undefined: nobody can have written that. */
function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Record<keyof Owner, unknown>>
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
    return typeof host === 'string' && typeof started === 'string'
      ? { pid, host, started }
      : undefined
  } catch {
    return undefined
  }
}

async function isAlive(owner: Owner, own: Owner): Promise<boolean> {
  // Whoever works on another machine cannot be asked.
  if (owner.host !== own.host) return true
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // Not allowed to signal it: it is there.
    if (codeOf(error) !== 'EPERM') return false
  }
  const started = await startOf(owner.pid)
  return started === undefined || owner.started === '' || started === owner.started
}

/** When a process began; undefined where nobody can say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
      // The second field is the name, which may hold anything; the start is the 22nd, in ticks since the boot.
      const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
      return ticks === undefined ? undefined : `${boot.trim()} ${ticks}`
    }
    if (process.platform === 'win32') return undefined
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])
    return stdout.trim() || undefined
  } catch {
    return undefined
  }
}

function taken(path: string, lockPath: string, owner: Owner, own: Owner): BackendError {
  const here = owner.host === own.host
  const who = here && owner.pid === own.pid ? 'this process itself' : `process ${owner.pid}`
  const where = here ? '' : ` on ${owner.host} (if that is gone, delete ${lockPath})`
  return new BackendError('open', `${path}: ${who}${where} has it open`, {
    transient: false,
    applied: 'no',
  })
}

/** What Node says of an error of the system. */
export function codeOf(error: unknown): string | undefined {
  const code: unknown = (error as { readonly code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}
