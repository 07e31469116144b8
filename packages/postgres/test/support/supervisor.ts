// Runs one command after the other for the process that forked it, in a folder of their own. When that process ends,
// however it ends, the channel between the two closes: then the command is ended and the folder removed.
//
// It leads a process group of its own, so whatever kills the group of a test run does not kill it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Answer, Command, Request } from './supervised.ts'

/** How a command is asked to end: when nobody is connected any more, at once, and not at all. Milliseconds between them. */
const ENDING: readonly (readonly [signal: NodeJS.Signals, afterMs: number])[] = [
  ['SIGTERM', 0],
  ['SIGINT', 1_000],
  ['SIGKILL', 10_000],
]

const [folder = ''] = process.argv.slice(2)
const log = join(folder, 'log')
let running: { readonly child: ChildProcess; readonly ended: Promise<string> } | undefined

process.on('message', (request: Request) => {
  void answer(request).then(
    (answered) => send({ id: request.id, ...answered }),
    (error: unknown) => send({ id: request.id, error: String(error) }),
  )
})
process.on('disconnect', () => void end())
// What the terminal sends goes to the tests: they end by it, and the channel closes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

async function answer(request: Request): Promise<{ readonly pid?: number }> {
  if ('signal' in request) {
    running?.child.kill(request.signal)
    await running?.ended
    return {}
  }
  return launch(request.command)
}

/** Settles when the command has ended well, or, if it is to stay, when it has printed that it is ready. */
async function launch({
  file,
  args,
  uid,
  gid,
  ready,
}: Command): Promise<{ readonly pid?: number }> {
  if (running !== undefined) throw new Error('a command is running')
  const child = spawn(file, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  })
  // Nobody asks for it any more once it is ready.
  let output: string | undefined = ''
  const isReady = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      appendFileSync(log, text)
      if (output === undefined) return
      output += text
      if (ready === undefined || !output.includes(ready)) return
      isReady.resolve()
      output = undefined
    })
  }
  const ended = once(child, 'close').then(
    ([code, signal]: (number | string | null)[]) => `${file} ended with ${code ?? signal}`,
    (error: unknown) => String(error),
  )
  running = { child, ended }
  void ended.then(() => (running = undefined))
  if (ready === undefined) {
    await ended
    if (child.exitCode === 0) return {}
  } else {
    const first = await Promise.race([isReady.promise, ended])
    if (first === undefined) return child.pid === undefined ? {} : { pid: child.pid }
  }
  throw new Error(`${await ended}\n${output ?? ''}`)
}

async function end(): Promise<void> {
  // A command that has just been killed may be followed by the next, whose request had come before.
  while (running !== undefined) {
    const { child, ended } = running
    const timers = ENDING.map(([signal, afterMs]) => setTimeout(() => child.kill(signal), afterMs))
    await ended
    for (const timer of timers) clearTimeout(timer)
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  process.exit()
}

function send(answered: Answer): void {
  if (process.connected) process.send?.(answered)
}
