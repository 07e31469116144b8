import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rmdir, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { BackendError } from '../../errors/backend-errors.ts'
import { sleep, systemClock } from '../../time/clock.ts'
import { codeOf, statOf } from './files.ts'

/** The pause before somebody else's look at a dead lock is over. */
const RETRY_MS = 10
/** No such look takes so long. */
const ABANDONED_MS = 10_000

/** How every lock begins. */
const LOCK_BEGINS = '{"pid":'
/** What {@link startOf} says of a process that has ended, and that nobody has taken notice of yet. */
const ENDED = 'ended'

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
      if (!isOurs(found)) throw inTheWay(path, lockPath)
      const owner = ownerOf(found)
      if (owner !== undefined && (await isAlive(owner, own)))
        throw taken(path, lockPath, owner, own)
      if (!(await discard(lockPath, found))) throw inTheWay(path, turnstileOf(lockPath))
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
  try {
    await writeFile(whole, text)
    await link(whole, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // There are file systems without links.
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'ENOSYS' && codeOf(error) !== 'ENOTSUP')
      throw error
    return await createAtOnce(path, text)
  } finally {
    await unlink(whole).catch(() => undefined)
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

/**
 * Takes away the lock of a process that is gone. One does so at a time, and looks again first: others may have been
 * quicker. False: it cannot be taken away.
 */
async function discard(path: string, stale: string): Promise<boolean> {
  const turnstile = turnstileOf(path)
  try {
    await mkdir(turnstile)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    await sleep(systemClock, RETRY_MS)
    return removeAbandoned(turnstile)
  }
  try {
    if ((await read(path)) === stale) await unlink(path)
    return true
  } finally {
    await rmdir(turnstile)
  }
}

/** Takes away what somebody has left who died over it. False: that cannot be. */
async function removeAbandoned(turnstile: string): Promise<boolean> {
  const there = await statOf(turnstile)
  if (there === undefined) return true
  // Whoever set the clock back must not have to wait until it comes round.
  if (Math.abs(systemClock.now() - there.mtimeMs) <= ABANDONED_MS) return true
  return rmdir(turnstile).then(
    () => true,
    (error: unknown) => codeOf(error) === 'ENOENT',
  )
}

function turnstileOf(path: string): string {
  return `${path}.stale`
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Whether it is a lock, or one that was not written to its end; a power cut may have left it full of NUL. */
function isOurs(text: string): boolean {
  return text.startsWith(LOCK_BEGINS) || LOCK_BEGINS.startsWith(text) || /^\0+$/.test(text)
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
  if (started === ENDED) return false
  return started === undefined || owner.started === '' || started === owner.started
}

/** When a process began; undefined where nobody can say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
      // The second field is the name, which may hold anything; then comes the state, and as the 22nd the start, in ticks
      // since the boot.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const [state = '', ticks] = [fields[0], fields[19]]
      if (isEnded(state)) return ENDED
      return ticks === undefined ? undefined : `${boot.trim()} ${ticks}`
    }
    if (process.platform === 'win32') return undefined
    const columns = ['-o', 'state=', '-o', 'lstart=']
    const { stdout } = await promisify(execFile)('ps', [...columns, '-p', String(pid)])
    const [state = '', ...start] = stdout.trim().split(/\s+/)
    return isEnded(state) ? ENDED : start.join(' ') || undefined
  } catch {
    return undefined
  }
}

/** A zombie: where nobody waits for it, it stays for ever. */
function isEnded(state: string): boolean {
  return state.startsWith('Z') || state.startsWith('X')
}

function inTheWay(path: string, what: string): BackendError {
  return new BackendError(
    'open',
    `${path}: ${what} is in the way, and no lock; move it, or delete it`,
    { transient: false, applied: 'no' },
  )
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
