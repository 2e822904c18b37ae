"""The headings under which the help lists the commands."""

PROJECT = "Engine and project"
CONTAINERS = "Containers"
BEFORE_SERVED = "One model, before it is served"
SERVED = "One model, served"
ELSEWHERE = "The same archive elsewhere"
