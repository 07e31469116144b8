import { knownKeys, oneOf, OptionError } from '../internal/validate.ts'
import { tell } from '../layers/tell.ts'
import { around } from '../service/around.ts'
import type { Event, EventTask } from '../service/events.ts'
import { ownLayer } from '../service/own-layer.ts'
import { withData } from '../service/request.ts'
import type { ProvidingLayer, TaskRequest } from '../service/service.ts'
import type { BoundWorkerBuilder } from './worker-builder.ts'

/** The part of a logger of pino's kind that we need. */
export interface TaskLogger {
  /** A logger of the same kind, with these fields on every line. */
  child(bindings: { [field: string]: unknown }): unknown
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** How loud a line is; `silent`: there is none. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** What may become of a task, as far as {@link logging} tells it. */
export type LoggedOutcome = 'started' | 'done' | 'failed' | 'killed' | 'released' | 'lost'

/** Options of {@link logging}. */
export interface LoggingOptions {
  /**
   * How loud the lines about tasks are.
   * @default { started: 'debug', done: 'info', failed: 'warn', killed: 'error', released: 'info', lost: 'warn' }
   */
  readonly levels?: { readonly [Outcome in LoggedOutcome]?: LogLevel }
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
const DEFAULTS: { readonly [Outcome in LoggedOutcome]: LogLevel } = {
  started: 'debug',
  done: 'info',
  failed: 'warn',
  killed: 'error',
  released: 'info',
  lost: 'warn',
}

/** A builder after {@link logging}. */
export type LoggingBuilder<Log, Args, Result, Data, Context, Mapped> = BoundWorkerBuilder<
  Args,
  Result,
  Data & { readonly log: Log },
  Context,
  Mapped
>

/**
 * Logs what happens in a worker, and gives handlers and everything inside a logger of their own as `data.log`, whose lines
 * carry `worker`, `queue`, `taskId` and `attempt`: `.with(logging(pino()))`. What becomes of a task is logged when it is
 * durable, with `durationMs`, `err` and `retryAt`, as loud as `levels` says; calls that fail and what is dropped are errors,
 * leaked and long runs warnings, the life of the worker info. A logger that throws disturbs nothing.
 */
export function logging<Log extends TaskLogger>(
  logger: Log,
  options: LoggingOptions = {},
): <Args, Result, Data, Context, Mapped>(
  builder: BoundWorkerBuilder<Args, Result, Data, Context, Mapped>,
) => LoggingBuilder<Log, Args, Result, Data, Context, Mapped> {
  for (const method of ['child', 'debug', 'info', 'warn', 'error'] as const) {
    if (typeof logger?.[method] !== 'function') {
      throw new OptionError('logging', logger, 'a logger with child, debug, info, warn and error')
    }
  }
  knownKeys('logging', options, ['levels'])
  const { levels = {} } = options
  knownKeys('logging.levels', levels, Object.keys(DEFAULTS))
  for (const [outcome, level] of Object.entries(levels)) {
    oneOf(`logging.levels.${outcome}`, level, LEVELS)
  }
  const lines = new Lines(logger, { ...DEFAULTS, ...levels })
  return (builder) => builder.onEvent((event) => lines.write(event)).provide(providing(logger))
}

/** Gives each run a logger of its own. */
function providing<Log extends TaskLogger>(logger: Log): ProvidingLayer<{ readonly log: Log }> {
  const layer: ProvidingLayer<{ readonly log: Log }> = (inner) =>
    around(inner, (request) => inner.call(withData(request, { log: childOf(logger, request) })))
  return ownLayer(layer, { layerName: 'logging' })
}

function childOf<Log extends TaskLogger>(logger: Log, { worker, id, attempt }: TaskRequest): Log {
  let child: Log | undefined
  void tell(worker, 'logging', () => {
    const bindings = { worker: worker.name, queue: worker.queue, taskId: id, attempt }
    // The child of a logger is a logger of the same kind.
    child = logger.child(bindings) as Log
  })
  return child ?? logger
}

class Lines {
  readonly #logger: TaskLogger
  readonly #levels: { readonly [Outcome in LoggedOutcome]: LogLevel }

  constructor(logger: TaskLogger, levels: { readonly [Outcome in LoggedOutcome]: LogLevel }) {
    this.#logger = logger
    this.#levels = levels
  }

  write(event: Event): void {
    const { worker, queue } = event
    const line = (level: LogLevel, message: string, fields: object = {}): void => {
      if (level !== 'silent') this.#logger[level]({ worker, queue, ...fields }, message)
    }
    const task = (outcome: LoggedOutcome, of: EventTask, fields: object = {}): void =>
      line(this.#levels[outcome], `task ${outcome}`, { ...labels(of), ...fields })
    switch (event.type) {
      case 'engage':
        task('started', event.task)
        break
      case 'success':
        task('done', event.task, { durationMs: event.durationMs })
        break
      case 'error':
        if ('task' in event) task(event.outcome, event.task, failure(event))
        else line('error', `${event.operation} failed`, { err: event.error })
        break
      case 'lost':
        task('lost', event.task, { reason: event.reason })
        break
      case 'leaked':
        line('warn', 'task leaked: its handler goes on', labels(event.task))
        break
      case 'longRun':
        line('warn', 'task runs for long', labels(event.task))
        break
      case 'dropped':
        line('error', `${event.what} dropped`, { count: event.count })
        break
      case 'custom':
        line('info', event.name, event.data === undefined ? {} : { data: event.data })
        break
      case 'start':
      case 'pause':
      case 'resume':
      case 'stop':
        line('info', `worker: ${event.type}`)
        break
      default:
    }
  }
}

function labels({ parts: { taskId, attempt } }: EventTask): object {
  return { taskId, attempt: attempt.current }
}

function failure({
  error: err,
  retryAt,
  durationMs,
}: {
  readonly error: unknown
  readonly retryAt?: Date
  readonly durationMs?: number
}): object {
  return {
    ...(err !== undefined && { err }),
    ...(retryAt !== undefined && { retryAt }),
    ...(durationMs !== undefined && { durationMs }),
  }
}
