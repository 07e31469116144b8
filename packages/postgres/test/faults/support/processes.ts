import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Mixing } from './mixing.ts'
import type { Pushing } from './pushing.ts'
import type { Working } from './working.ts'

/** A program of these tests in a process of its own. */
export interface Process {
  readonly pid: number
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  send(signal: NodeJS.Signals): void
}

/** The processes of a test. Disposing leaves none of them. */
export class Processes implements AsyncDisposable {
  readonly #all: (Process & { readonly child: ChildProcess; gone: boolean })[] = []
  /** What they printed: nothing, as long as all is well. */
  output = ''

  working(options: Working): Process {
    return this.#start('working.ts', options)
  }

  pushing(options: Pushing): Process {
    return this.#start('pushing.ts', options)
  }

  mixing(options: Mixing): Process {
    return this.#start('mixing.ts', options)
  }

  /** The ids of those that were started, and not killed since. */
  get pids(): readonly number[] {
    return this.#all.filter(({ gone }) => !gone).map(({ pid }) => pid)
  }

  /** Ends it at once, and settles when it is gone. */
  kill(process: Process): Promise<number | string> {
    process.send('SIGKILL')
    return this.gone(process)
  }

  /** Settles with how it ended by itself, which nobody asks about again. */
  gone(process: Process): Promise<number | string> {
    const found = this.#all.find(({ pid }) => pid === process.pid)
    if (found !== undefined) found.gone = true
    return process.ended
  }

  /** Asks these to stop, or all that run; how those ended that were not gone. */
  async stop(these: readonly Process[] = this.#all): Promise<readonly (number | string)[]> {
    const pids = new Set(these.map(({ pid }) => pid))
    const asked = this.#all.filter(({ pid, gone }) => pids.has(pid) && !gone)
    for (const { child } of asked) child.kill('SIGTERM')
    return Promise.all(asked.map(({ ended }) => ended))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#all) child.kill('SIGKILL')
    await Promise.all(this.#all.map(({ ended }) => ended))
  }

  #start(name: string, options: object): Process {
    const program = fileURLToPath(import.meta.resolve(`./${name}`))
    const args = ['--conditions=@apalis/source', program, JSON.stringify(options)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    const ended = once(child, 'close').then(
      // Node gives one of the two.
      ([code, signal]) => (code ?? signal) as number | string,
      (error: unknown) => String(error),
    )
    const { pid = 0 } = child
    const started = {
      child,
      pid,
      ended,
      gone: false,
      send: (signal: NodeJS.Signals) => void child.kill(signal),
    }
    this.#all.push(started)
    return started
  }
}
