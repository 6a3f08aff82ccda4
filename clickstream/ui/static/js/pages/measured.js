// What the measured numbers of topics are, for the list of them and the page of one.

export const RATE_NOTE =
  'how far the ends of the partitions moved in the last 5 s, per second; the mean of a minute where little comes';
export const RECORDS_NOTE = 'offsets between the beginning and the end: an upper bound where records were compacted';
export const SIZE_NOTE = 'bytes of the log segments on the disk, so after compression';
export const PARTITIONS_NOTE = 'how many, and on how many brokers each is kept';
export const LAST_NOTE = 'when its ends last moved; before the dashboard looked, the newest timestamp of a record';
