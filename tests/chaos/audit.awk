# Audits RUN/windows/*: for each step, the last start that trained it counts. Prints the number of steps, and of windows that were lost or
# repeated: every epoch of N windows must have each of them once. awk -v windows=N -v batch=B -f audit.awk RUN/windows/*
FNR == 1 { split(FILENAME, part, "-rank-"); match(part[1], /[0-9]+$/); start = substr(part[1], RSTART) + 0 }
NF > 1 {
  if (start > last[$1]) { last[$1] = start; ids[$1] = "" }
  if (start == last[$1]) { for (i = 2; i <= NF; i++) ids[$1] = ids[$1] " " $i }
}
END {
  for (step in ids) {
    steps++
    n = split(ids[step], id, " ")
    if (n != batch) bad += n > batch ? n - batch : batch - n
    epoch = int(step * batch / windows) # a batch that spans two epochs is not checked
    if (int((step * batch + batch - 1) / windows) == epoch)
      for (i = 1; i <= n; i++) if (seen[epoch, id[i]]++) bad++
  }
  for (step = 0; step < steps; step++) if (!(step in ids)) bad += batch
  print steps + 0, bad + 0
}
