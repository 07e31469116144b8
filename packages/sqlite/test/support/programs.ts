import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A program of this folder in a process of its own. */
export interface Program {
  readonly process: ChildProcess
  /** What it printed so far. */
  readonly output: string
  /** Settles when it has printed `text`; rejects when it ends before that. */
  printed(text: string): Promise<void>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** Starts a program on the sources. */
export function start(name: string, args: readonly string[], options: SpawnOptions = {}): Program {
  const program = fileURLToPath(import.meta.resolve(`./${name}`))
  const child = spawn(
    process.execPath,
    ['--conditions=@apalis/source', '--disable-warning=ExperimentalWarning', program, ...args],
    { ...options, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const look of waiting) look()
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    for (const look of waiting) look()
    // Node gives one of the two.
    return (code ?? signal) as number | string
  })
  return {
    process: child,
    ended,
    get output() {
      return output
    },
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve()
          else if (child.exitCode === null && child.signalCode === null) return
          else reject(new Error(`${name} ended without printing ${text}:\n${output}`))
          waiting.delete(look)
        }
        waiting.add(look)
        look()
      }),
  }
}
