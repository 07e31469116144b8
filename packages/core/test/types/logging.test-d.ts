import { pino } from 'pino'
import type { Logger } from 'pino'
import type { Backend } from '../../src/backend/backend.ts'
import type { QueueContext } from '../../src/task/task.ts'
import { logging } from '../../src/worker/logging.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { equal } from './equal.ts'

declare const numbers: Backend<number, string, QueueContext>
const counter = new WorkerBuilder('counter').backend(numbers)

// The handler gets the logger of the kind that was given, and what it had before.
const custom = pino({ customLevels: { loud: 35 } })
counter
  .data({ db: 1 })
  .with(logging(custom))
  .use((request, next) => {
    request.data.log.loud('custom levels are there')
    return next()
  })
  .build((n, { data: { db, log } }) => {
    equal<number>()(db)
    equal<Logger<'loud'>>()(log)
    return n.toFixed()
  })

// @ts-expect-error nobody provides `log`
counter.build((_, { data }) => data.log)
// @ts-expect-error the console has no children
counter.with(logging(console))
// @ts-expect-error there is no such level
logging(custom, { levels: { done: 'loud' } })
// @ts-expect-error nor such an outcome
logging(custom, { levels: { success: 'info' } })
