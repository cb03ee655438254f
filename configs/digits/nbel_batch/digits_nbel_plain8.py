_base_ = 'digits_nbel_exact512.py'
optim_wrapper = dict(micro_batch_size=8, nbel_batch_size=8)
train_dataloader = dict(sampler=dict(micro_batch_size=8))
