import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unprivileged } from './unprivileged.ts'

/** A program, and as whom it runs. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly uid?: number
  readonly gid?: number
  /** What it prints when it is ready. @default it is to end */
  readonly ready?: string
}

/** What the supervisor is asked for. */
export type Request = { readonly id: number } & (
  | { readonly command: Command }
  /** Ends the command that runs. */
  | { readonly signal: NodeJS.Signals }
)

/** Its answer. */
export interface Answer {
  readonly id: number
  readonly pid?: number
  readonly error?: string
}

/** Runs one command after the other, never as root, in a temporary folder that belongs to it. */
export interface Supervised extends AsyncDisposable {
  readonly folder: string
  /** Of the process that watches over all: it ends with this one, and everything with it. */
  readonly pid: number
  /** Runs a command to its end; rejects with what it printed if it fails. */
  run(file: string, args: readonly string[]): Promise<void>
  /** Starts one that stays, settles with its process id when it has printed `ready`; rejects with what it printed if it ends before. */
  start(file: string, args: readonly string[], ready: string): Promise<number>
  /** Ends what runs; settles when it is gone. */
  stop(signal: NodeJS.Signals): Promise<void>
  /** What was printed so far. */
  log(): string
}

/** Begins a supervised life, in a folder named after `name` in `parent`. */
export function supervise(name: string, parent: string = tmpdir()): Supervised {
  const user = unprivileged()
  const folder = mkdtempSync(join(parent, `apalis-${name}-`))
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const supervisor = fork(fileURLToPath(import.meta.resolve('./supervisor.ts')), [folder], {
    detached: true,
    // Options of the test runner are not for it, and what it inherits would keep the runner waiting.
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const requests = new Requests(supervisor)
  return {
    folder,
    // A program that could not be started at all fails its first request.
    pid: supervisor.pid ?? 0,
    async run(file, args) {
      await requests.ask({ command: { file, args, ...user } })
    },
    async start(file, args, ready) {
      const { pid } = await requests.ask({ command: { file, args, ...user, ready } })
      return pid ?? 0
    },
    async stop(signal) {
      await requests.ask({ signal })
    },
    log: () => readFileSync(join(folder, 'log'), 'utf8'),
    [Symbol.asyncDispose]: () => requests.close(),
  }
}

/** The parent's end of the channel. It keeps this process alive only while something was asked for. */
class Requests {
  readonly #supervisor: ChildProcess
  readonly #open = new Map<number, PromiseWithResolvers<Answer>>()
  readonly #ended: Promise<unknown>
  #last = 0

  constructor(supervisor: ChildProcess) {
    this.#supervisor = supervisor
    this.#ended = once(supervisor, 'exit').catch((error: unknown) => error)
    void this.#ended.then(() => {
      for (const id of this.#open.keys()) this.#settle({ id, error: 'the supervisor ended' })
    })
    supervisor.on('message', (answer: Answer) => this.#settle(answer))
    this.#rest()
  }

  ask(what: { readonly command: Command } | { readonly signal: NodeJS.Signals }): Promise<Answer> {
    const id = (this.#last += 1)
    const asked = Promise.withResolvers<Answer>()
    this.#open.set(id, asked)
    this.#supervisor.ref()
    this.#supervisor.channel?.ref()
    this.#supervisor.send({ id, ...what }, (error) => {
      if (error !== null) this.#settle({ id, error: String(error) })
    })
    return asked.promise
  }

  async close(): Promise<void> {
    this.#supervisor.ref()
    if (this.#supervisor.connected) this.#supervisor.disconnect()
    await this.#ended
  }

  #settle(answer: Answer): void {
    const asked = this.#open.get(answer.id)
    this.#open.delete(answer.id)
    if (this.#open.size === 0) this.#rest()
    if (answer.error === undefined) asked?.resolve(answer)
    else asked?.reject(new Error(answer.error))
  }

  #rest(): void {
    this.#supervisor.unref()
    this.#supervisor.channel?.unref()
  }
}
