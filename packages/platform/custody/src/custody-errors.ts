import { type ErrorTable, QipError } from '@quantum-ip/base'

/** The codes of `@quantum-ip/custody`. No detail ever holds a passphrase, key material or a message. */
export interface CustodyErrorDetails {
  /** Custody has no key of this thumbprint. */
  QIP_CUSTODY_KEY_UNKNOWN: { readonly kid: string; readonly custody: string }
  /** This custody cannot make keys of that algorithm. */
  QIP_CUSTODY_ALGORITHM_REFUSED: { readonly algorithm: string; readonly custody: string }
  /** The passphrase is not the one that the file was sealed with. The file itself is whole. */
  QIP_CUSTODY_PASSPHRASE_WRONG: { readonly file: string }
  /** There is no passphrase, or its file is not fit to hold one. */
  QIP_CUSTODY_PASSPHRASE_REFUSED: { readonly reason: string; readonly next?: string }
  /** A file of the custody is not what was written there. */
  QIP_CUSTODY_FILE_DAMAGED: { readonly file: string; readonly reason: string }
  /** A file of the custody cannot be read or written. */
  QIP_CUSTODY_FILE_UNAVAILABLE: { readonly file: string; readonly reason: string }
  /** The package of a key service's maker is not installed. */
  QIP_CUSTODY_SDK_MISSING: { readonly service: string; readonly packageName: string }
  /** A key service does not let this program do that. */
  QIP_CUSTODY_SERVICE_DENIED: {
    readonly service: string
    readonly operation: string
    readonly reason: string
  }
  /** A key service limits the rate, and went on doing so when asked again. */
  QIP_CUSTODY_SERVICE_THROTTLED: { readonly service: string; readonly operation: string }
  /** A key service does not answer, or answers that it cannot now. */
  QIP_CUSTODY_SERVICE_UNAVAILABLE: {
    readonly service: string
    readonly operation: string
    readonly reason: string
  }
  /** A key service refuses a request for another reason. */
  QIP_CUSTODY_SERVICE_REFUSED: {
    readonly service: string
    readonly operation: string
    readonly reason: string
  }
  /** A key of a key service is disabled, or is to be destroyed. */
  QIP_CUSTODY_KEY_DISABLED: { readonly service: string; readonly kid: string; readonly reason: string }
  /** A key service returned what is no key, or a signature that does not hold. Nothing of it was used. */
  QIP_CUSTODY_SERVICE_FAULTY: {
    readonly service: string
    readonly operation: string
    readonly reason: string
  }
}

const custodyErrors: ErrorTable<CustodyErrorDetails> = {
  QIP_CUSTODY_KEY_UNKNOWN: {
    fault: 'caller',
    message: ({ kid, custody }) => `there is no private key \`${kid}\` in custody (${custody})`,
    next: () => 'check `custody` in the configuration, or restore the keys from their backup',
  },
  QIP_CUSTODY_ALGORITHM_REFUSED: {
    fault: 'caller',
    message: ({ algorithm, custody }) => `no keys of ${algorithm} in this custody (${custody})`,
    next: () => 'choose an algorithm that it has, or another custody for this use',
  },
  QIP_CUSTODY_PASSPHRASE_WRONG: {
    fault: 'denied',
    message: ({ file }) => `the passphrase does not open \`${file}\`, which is undamaged`,
    next: () => 'give the passphrase that it was sealed with; without it nothing opens it',
  },
  QIP_CUSTODY_PASSPHRASE_REFUSED: {
    fault: 'caller',
    message: ({ reason }) => `no passphrase: ${reason}`,
    next: ({ next }) =>
      next ?? 'write at least 12 characters into a file with mode 0600, or have systemd hand it in',
  },
  QIP_CUSTODY_FILE_DAMAGED: {
    fault: 'caller',
    message: ({ file, reason }) => `\`${file}\` is damaged: ${reason}`,
    next: () => 'restore it from the backup of the keys; no passphrase opens it as it is',
  },
  QIP_CUSTODY_FILE_UNAVAILABLE: {
    fault: 'caller',
    message: ({ file, reason }) => `\`${file}\` cannot be read or written: ${reason}`,
    next: () => 'check the path, its permissions and free space',
  },
  QIP_CUSTODY_SDK_MISSING: {
    fault: 'caller',
    message: ({ service, packageName }) =>
      `${service} needs the package \`${packageName}\`, which is not installed`,
    next: ({ packageName }) => `npm install ${packageName} beside quantum-ip`,
  },
  QIP_CUSTODY_SERVICE_DENIED: {
    fault: 'denied',
    message: ({ service, operation, reason }) => `${service} denies \`${operation}\`: ${reason}`,
    next: ({ operation }) => `allow \`${operation}\` for this program's identity, on its own keys`,
  },
  QIP_CUSTODY_SERVICE_THROTTLED: {
    fault: 'busy',
    message: ({ service, operation }) => `${service} limits the rate of \`${operation}\``,
    next: () => 'ask for a higher quota, or find who else uses it up',
  },
  QIP_CUSTODY_SERVICE_UNAVAILABLE: {
    fault: 'busy',
    message: ({ service, operation, reason }) => `${service} does not do \`${operation}\` now: ${reason}`,
    next: () => 'check the network and the status of the service; issuing goes on with local keys',
  },
  QIP_CUSTODY_SERVICE_REFUSED: {
    fault: 'caller',
    message: ({ service, operation, reason }) => `${service} refuses \`${operation}\`: ${reason}`,
    next: () => 'check region, names and algorithms under `custody` in the configuration',
  },
  QIP_CUSTODY_KEY_DISABLED: {
    fault: 'conflict',
    message: ({ service, kid, reason }) => `${service} does not sign with key \`${kid}\`: ${reason}`,
    next: () => 'enable it there again, or cancel its deletion; if somebody meant it, replace the key',
  },
  QIP_CUSTODY_SERVICE_FAULTY: {
    fault: 'defect',
    message: ({ service, operation, reason }) =>
      `the answer of ${service} to \`${operation}\` is wrong: ${reason}`,
    next: () => 'nothing of it was used; check that it is the real service that answers',
  },
}

/** Thrown by `@quantum-ip/custody`. */
export class CustodyError<
  Code extends keyof CustodyErrorDetails = keyof CustodyErrorDetails,
> extends QipError<CustodyErrorDetails, Code> {
  constructor(code: Code, details: CustodyErrorDetails[Code], options?: ErrorOptions) {
    super(custodyErrors, code, details, options)
  }
}
