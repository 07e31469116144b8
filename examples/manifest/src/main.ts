import { Shutdown } from '@apalis/core'

import { EventLog } from './event-log.ts'
import { checkPaths, type Options, readOptions, usage, UsageError } from './options.ts'
import { showProgress } from './progress.ts'
import { problems, table } from './report.ts'
import { writeManifest } from './run.ts'
import { Tally } from './tally.ts'
import { counted } from './text.ts'

/** Exit codes of a process that a signal ended are 128 and the signal's number. */
const SIGNALED = { SIGINT: 130, SIGTERM: 143 }
const STOPPING = 'stopping: the files being read are finished first; Ctrl-C again ends that'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args)
    if (options === undefined) {
      process.stdout.write(usage)
      return 0
    }
    await checkPaths(options)
    if (options.log === undefined) return await run(options)
    using log = new EventLog(options.log)
    return await run(options, log)
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    if (error instanceof UsageError) process.stderr.write('--help says how to call this\n')
    return 1
  }
}

async function run(options: Options, log?: EventLog): Promise<number> {
  const tally = new Tally((line) => display.note(line))
  const shutdown = new Shutdown()
  let code = 0
  const onSignal = (signal: keyof typeof SIGNALED): void => {
    if (code === 0) display.note(STOPPING)
    code ||= SIGNALED[signal]
    // The monitor hears of the signal as well, but only once it runs.
    shutdown.start()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const started = performance.now()
  const display = showProgress({ tally, stream: process.stderr })
  let written: boolean
  try {
    display.note(`reading ${options.folder} with ${counted(options.workers, 'worker')}`)
    const except = options.log === undefined ? [] : [options.log]
    written = await writeManifest({ ...options, except, log, tally, shutdown })
  } finally {
    display.stop()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
  process.stdout.write(`${table(tally, performance.now() - started)}\n`)
  const missing = problems(tally)
  if (missing !== '') process.stdout.write(`${missing}\n`)
  if (!written) {
    const left = `${tally.foundAll ? '' : 'at least '}${counted(tally.left, 'file')} left`
    process.stdout.write(`stopped: ${left}, no manifest written\n`)
    process.stdout.write('the same command goes on from there\n')
    return code || 1
  }
  process.stdout.write(`wrote ${options.output}\n`)
  return missing === '' ? 0 : 1
}
