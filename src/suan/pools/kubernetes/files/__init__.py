"""What runs in the cluster for the files that jobs bring and leave: Python 3.7, nothing else.

``serving``   the pod that keeps them
``leaving``   what it does with what they leave
``bringing``  before a task, in its pod: lays them out in its working directory
"""
