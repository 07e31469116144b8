import * as core from '@apalis/core'
import * as testing from '@apalis/core/testing'
import * as sqlite from '@apalis/sqlite'

const entries: readonly object[] = [core, testing, sqlite]
console.log(`${entries.length} done`)
